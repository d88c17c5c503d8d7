//! What a field of the schema demands, for those faces that do not speak GraphQL: one declaration holds for all.

use std::sync::Arc;

use super::admission::denial;
use super::{Graph, Services};
use crate::faces::error::ApiError;
use crate::limits::Charge;
use crate::platform::auth::Role;
use crate::services::Error;

/// What a caller who may ask for a field must know.
pub(in crate::faces) struct Demands {
    /// What it takes from the field's quota.
    pub(in crate::faces) charge: Option<Charge>,
    /// For how many seconds the answer may be kept; 0: not at all.
    pub(in crate::faces) max_age: u32,
}

impl Graph {
    /// What the services are that this is over.
    pub(in crate::faces) fn services(&self) -> Result<Arc<Services>, Error> {
        self.services.clone().ok_or_else(|| Error::Internal("the schema is over nothing".to_owned()))
    }

    /// The role that a field is for: its type's name and its own. `None`: for everybody.
    pub(in crate::faces) fn role_of(&self, (parent, field): (&str, &str)) -> Option<Role> {
        self.rules.of(parent, field)?.requires
    }

    /// What a field demands of a caller of `role`.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` or `FORBIDDEN`.
    pub(in crate::faces) fn demands(
        &self,
        (parent, field): (&str, &str),
        role: Option<Role>,
    ) -> Result<Demands, ApiError> {
        let found = self
            .rules
            .of(parent, field)
            .ok_or_else(|| ApiError::from(&Error::Internal(format!("the schema has no field {parent}.{field}"))))?;
        if let Some(error) = found.requires.and_then(|required| denial(required, role)) {
            return Err(error);
        }
        Ok(Demands {
            charge: found.quota.clone().map(|quota| Charge { quota, cost: 1 }),
            max_age: found.max_age.unwrap_or(0),
        })
    }
}
