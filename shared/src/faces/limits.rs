//! The rate limits of a request: what its caller may ask for at all and what its fields may, counted together once.

use std::net::IpAddr;
use std::sync::Arc;

use axum::response::Response;
use http::{HeaderName, HeaderValue};

use crate::faces::error::{ApiError, Code, whole_seconds};
use crate::limits::{Charge, Decision, Quota, RateLimiter, principal_key};
use crate::platform::auth::Principal;
use crate::platform::clock::Clock;
use crate::platform::config::LimitsConfig;

/// How a caller stands after a request was counted.
pub(super) struct Standing(Option<Decision>);

/// Counts what callers ask for.
#[derive(Clone)]
pub struct Limits {
    /// Who counts; `None` where limits are off.
    pub limiter: Option<Arc<dyn RateLimiter>>,
    /// How much every caller may ask for.
    pub config: LimitsConfig,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

impl Limits {
    /// Counts a request of so many `operations`, which take `fields` from the quotas of fields.
    pub(super) async fn count<'a>(
        &self,
        user: Option<&Principal>,
        address: IpAddr,
        operations: usize,
        fields: impl Iterator<Item = &'a Charge>,
    ) -> Standing {
        let Some(limiter) = &self.limiter else { return Standing(None) };
        let quota = Quota::request(&self.config, user.is_some());
        let mut charges = vec![Charge { quota, cost: u32::try_from(operations).unwrap_or(u32::MAX) }];
        for field in fields {
            match charges.iter_mut().find(|charge| charge.quota.name == field.quota.name) {
                Some(charge) => charge.cost += field.cost,
                None => charges.push(field.clone()),
            }
        }
        let principal = principal_key(user.map(|user| user.user_id.as_str()), address);
        match limiter.check(&principal, &charges, self.clock.now()).await {
            Ok(decision) => Standing(Some(decision)),
            Err(error) => {
                tracing::warn!(%error, "a request is not counted");
                Standing(None)
            }
        }
    }
}

impl Standing {
    /// The error, where the request was one too many, or more than the limit ever lets through.
    pub(super) fn refused(&self) -> Option<ApiError> {
        let decision = self.0.as_ref().filter(|decision| !decision.allowed)?;
        if decision.retry_after.is_none() {
            let Quota { name, limit, window } = &decision.quota;
            let message = format!("the request takes more {name} at once than the {limit} per {} s", window.as_secs());
            return Some(ApiError::new(Code::QueryTooComplex, message));
        }
        Some(ApiError::from(decision))
    }

    /// Tells the client how it stands.
    pub(super) fn written(&self, mut response: Response) -> Response {
        let Some(decision) = &self.0 else { return response };
        let figures = [
            ("ratelimit-limit", u64::from(decision.quota.limit)),
            ("ratelimit-remaining", u64::from(decision.remaining)),
            ("ratelimit-reset", whole_seconds(decision.reset_after)),
        ];
        for (name, figure) in figures {
            response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from(figure));
        }
        response
    }
}
