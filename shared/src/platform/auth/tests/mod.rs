//! What a [`Verifier`](super::Verifier) believes.

mod issuer;
mod rotation;
mod secret;
