//! A trace in a list, folded from batches in any order.
