//! All spans of a trace in a few dozen bytes each.
