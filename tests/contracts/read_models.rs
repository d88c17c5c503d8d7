//! What is read without folding a stream: written by the append, read at once.

mod memories;
mod prices;
