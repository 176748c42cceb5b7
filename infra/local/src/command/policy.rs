//! Who gets in, who may make an org, and how long things are kept: what the operator decides for all orgs.

use std::fmt::Display;
use std::str::FromStr;

use quillon_core::access::OrgCreation;
use quillon_core::retention::Days;
use quillon_core::sign_up::SignUps;
use quillon_runtime::Reader;

use crate::template::Parameters;

/// What is set, as parameters of the template; what is not is as the template says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PolicySettings(Vec<(&'static str, String)>);

impl PolicySettings {
    /// Reads the settings; complains of what has not their form.
    pub(crate) fn read(read: &mut Reader<'_>) -> Self {
        let mut found = Self::default();
        found.take::<SignUps>(read, "QUILLON_SIGN_UPS", "SignUps");
        found.take::<OrgCreation>(read, "QUILLON_ORG_CREATION", "OrgCreation");
        found.take::<Days>(read, "QUILLON_TRACE_DAYS", "TraceDays");
        found.take::<Days>(read, "QUILLON_CHECK_DAYS", "CheckDays");
        found
    }

    /// The parameters with these.
    pub(crate) fn added_to(&self, parameters: Parameters) -> Parameters {
        self.0.iter().fold(parameters, |parameters, (parameter, text)| parameters.with(parameter, text.clone()))
    }

    fn take<T: FromStr<Err: Display>>(&mut self, read: &mut Reader<'_>, name: &str, parameter: &'static str) {
        let Some(text) = read.optional(name) else { return };
        match text.parse::<T>() {
            Ok(_) => self.0.push((parameter, text)),
            Err(error) => read.complain(format!("`{name}` is wrong: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quillon_runtime::Settings;

    #[test]
    fn what_is_set_becomes_parameters_and_what_is_wrong_is_told() {
        let read = |pairs: &[(&str, &str)]| {
            let settings = Settings::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect());
            let mut reader = settings.reader();
            let found = PolicySettings::read(&mut reader).added_to(Parameters::new());
            (found, reader.finish().err().map(|error| error.0).unwrap_or_default())
        };
        assert_eq!(read(&[]), (Parameters::new(), vec![]));
        let set = read(&[("QUILLON_SIGN_UPS", "@example.com, ann"), ("QUILLON_ORG_CREATION", "operator"), ("QUILLON_TRACE_DAYS", "30")]);
        let expected = Parameters::new().with("SignUps", "@example.com, ann").with("OrgCreation", "operator").with("TraceDays", "30");
        assert_eq!(set, (expected, vec![]));
        let (_, problems) = read(&[("QUILLON_SIGN_UPS", "*"), ("QUILLON_ORG_CREATION", "nobody"), ("QUILLON_CHECK_DAYS", "401")]);
        assert_eq!(problems.len(), 3, "{problems:?}");
    }
}
