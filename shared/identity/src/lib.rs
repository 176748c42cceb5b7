//! Who somebody is to others: GitHub's OAuth, OpenID providers, and the tokens of CI jobs.
