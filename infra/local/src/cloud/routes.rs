//! Which function answers an HTTP request, by the rules of API Gateway's HTTP APIs.
//!
//! Reference: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html>.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::template::{EventSource, Template};

/// The routes of the HTTP API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteTable(Vec<Route>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Route {
    function: String,
    /// `None` for any.
    method: Option<String>,
    /// `None` for `$default`.
    path: Option<(String, Vec<Segment>)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    /// `{name}`: one segment.
    Variable(String),
    /// `{name+}`: one or more segments, to the end.
    Greedy(String),
}

/// How well a segment of a route fits, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Literal,
    Variable,
    Greedy,
}

/// The route of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteMatch<'a> {
    /// Logical id of the function.
    pub function: &'a str,
    /// Such as `POST /query`, `ANY /runner/v1/{proxy+}` or `$default`.
    pub route_key: String,
    /// Values of the route's variables, still percent-encoded.
    pub path_parameters: BTreeMap<String, String>,
}

impl RouteTable {
    /// The routes of a template.
    #[must_use]
    pub fn of(template: &Template) -> Self {
        let events = template.functions.iter().flat_map(|function| function.events.iter().map(move |e| (function, e)));
        let routes = events.filter_map(|(function, event)| match &event.source {
            EventSource::HttpApi { method, path } => Some(Route {
                function: function.logical_id.clone(),
                method: method.clone(),
                path: path.as_ref().map(|path| (path.clone(), segments(path))),
            }),
            EventSource::Sqs { .. } | EventSource::Schedule { .. } => None,
        });
        Self(routes.collect())
    }

    /// The most specific route: literal before variable before greedy segments from the left, then a method before
    /// `ANY`, then `$default`.
    #[must_use]
    pub fn find(&self, method: &str, path: &str) -> Option<RouteMatch<'_>> {
        let candidates = self.0.iter().filter(|route| route.method.as_deref().is_none_or(|own| own == method));
        let best = candidates
            .filter_map(|route| match &route.path {
                None => Some((route, None, BTreeMap::new())),
                Some((_, segments)) => {
                    let (fits, parameters) = fit(segments, path)?;
                    Some((route, Some(fits), parameters))
                }
            })
            .min_by_key(|(route, fits, _)| (fits.is_none(), fits.clone(), Reverse(route.method.is_some())));
        best.map(|(route, _, path_parameters)| RouteMatch {
            function: &route.function,
            route_key: match (&route.path, &route.method) {
                (None, _) => "$default".to_owned(),
                (Some((path, _)), method) => format!("{} {path}", method.as_deref().unwrap_or("ANY")),
            },
            path_parameters,
        })
    }
}

fn segments(path: &str) -> Vec<Segment> {
    let segment = |text: &str| match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
        None => Segment::Literal(text.to_owned()),
        Some(name) => match name.strip_suffix('+') {
            Some(name) => Segment::Greedy(name.to_owned()),
            None => Segment::Variable(name.to_owned()),
        },
    };
    path.strip_prefix('/').unwrap_or(path).split('/').map(segment).collect()
}

/// How a route fits a path, `None` if it does not.
fn fit(segments: &[Segment], path: &str) -> Option<(Vec<Fit>, BTreeMap<String, String>)> {
    let mut rest = Some(path.strip_prefix('/').unwrap_or(path));
    let mut fits = Vec::with_capacity(segments.len());
    let mut parameters = BTreeMap::new();
    for segment in segments {
        let left = rest?;
        let (first, tail) = left.split_once('/').map_or((left, None), |(first, tail)| (first, Some(tail)));
        match segment {
            Segment::Literal(text) if text == first => fits.push(Fit::Literal),
            Segment::Variable(name) if !first.is_empty() => {
                fits.push(Fit::Variable);
                parameters.insert(name.clone(), first.to_owned());
            }
            Segment::Greedy(name) if !left.is_empty() => {
                fits.push(Fit::Greedy);
                parameters.insert(name.clone(), left.to_owned());
                return Some((fits, parameters));
            }
            Segment::Literal(_) | Segment::Variable(_) | Segment::Greedy(_) => return None,
        }
        rest = tail;
    }
    rest.is_none().then_some((fits, parameters))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(routes: &[(&str, &str, &str)]) -> RouteTable {
        let route = |(function, method, path): &(&str, &str, &str)| Route {
            function: (*function).to_owned(),
            method: (*method != "ANY").then(|| (*method).to_owned()),
            path: (*path != "$default").then(|| ((*path).to_owned(), segments(path))),
        };
        RouteTable(routes.iter().map(route).collect())
    }

    /// The example of AWS's documentation, in every order of routes that matters.
    #[test]
    fn the_most_specific_route_wins() {
        let routes = table(&[
            ("default", "ANY", "$default"),
            ("any-proxy", "ANY", "/{proxy+}"),
            ("pets-proxy", "GET", "/pets/{proxy+}"),
            ("dog", "GET", "/pets/dog/{id}"),
            ("dog-one", "GET", "/pets/dog/1"),
        ]);
        let function = |method: &str, path: &str| routes.find(method, path).map(|found| found.function);
        assert_eq!(function("GET", "/pets/dog/1"), Some("dog-one"));
        assert_eq!(function("GET", "/pets/dog/2"), Some("dog"));
        assert_eq!(function("GET", "/pets/cat/1"), Some("pets-proxy"));
        assert_eq!(function("GET", "/pets/dog/2/3"), Some("pets-proxy"));
        assert_eq!(function("POST", "/test/5"), Some("any-proxy"));
        assert_eq!(function("POST", "/pets/dog/1"), Some("any-proxy"));
        assert_eq!(function("GET", "/"), Some("default"));
    }

    #[test]
    fn a_method_beats_any_on_the_same_path() {
        let routes = table(&[("any", "ANY", "/a"), ("get", "GET", "/a")]);
        assert_eq!(routes.find("GET", "/a").unwrap().function, "get");
        assert_eq!(routes.find("PUT", "/a").unwrap().function, "any");
    }

    #[test]
    fn variables_are_captured_and_never_empty() {
        let routes = table(&[("runner", "ANY", "/runner/v1/{proxy+}"), ("job", "GET", "/jobs/{id}/log")]);
        let found = routes.find("POST", "/runner/v1/jobs/att_1/result").unwrap();
        assert_eq!(found.route_key, "ANY /runner/v1/{proxy+}");
        assert_eq!(found.path_parameters["proxy"], "jobs/att_1/result");
        assert_eq!(routes.find("GET", "/jobs/7/log").unwrap().path_parameters["id"], "7");
        assert_eq!(routes.find("GET", "/runner/v1/"), None);
        assert_eq!(routes.find("GET", "/runner/v1"), None);
        assert_eq!(routes.find("GET", "/jobs//log"), None);
        assert_eq!(routes.find("GET", "/jobs/7/log/"), None);
    }

    #[test]
    fn without_a_default_an_unknown_path_has_no_route() {
        assert_eq!(table(&[("a", "GET", "/a")]).find("GET", "/b"), None);
    }
}
