//! Several fake nodes as one.
