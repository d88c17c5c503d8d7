//! Signed transactions of every type, and what a node's answers are made of.
