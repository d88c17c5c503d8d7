//! Requests, counted and timed: by route, method and class of status. The route is the template that matched and never the path, of
//! which there are as many as callers like.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::{Method, StatusCode};

use crate::platform::metrics::{Durations, Measured, Sample};

/// What a request counts under that matched no route.
pub(super) const UNMATCHED: &str = "unmatched";
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Counts requests.
#[derive(Debug, Default)]
pub struct Requests(Mutex<HashMap<String, Kinds>>);

/// Those of a route, by method and class of status.
type Kinds = HashMap<(&'static str, &'static str), Durations>;

impl Requests {
    pub(super) fn answered(&self, route: &str, method: &Method, status: StatusCode, took: Duration) {
        let method = known(method);
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        let class = CLASSES.get(class).copied().unwrap_or("5xx");
        let mut routes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !routes.contains_key(route) {
            routes.insert(route.to_owned(), HashMap::new());
        }
        if let Some(route) = routes.get_mut(route) {
            route.entry((method, class)).or_default().add(took);
        }
    }
}

/// The name of a method, of those that are told apart.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        _ => "OTHER",
    }
}

impl Measured for Requests {
    fn samples(&self) -> Vec<Sample> {
        let routes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut samples = vec![];
        for (route, kinds) in routes.iter() {
            for ((method, status), took) in kinds {
                let help = "How long requests took, until their answer began";
                let sample = Sample::histogram("http.request_seconds", help, took.lapses());
                samples.push(sample.with("route", route).with("method", *method).with("status", *status));
            }
        }
        samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::metrics::prometheus;

    #[test]
    fn requests_are_counted_by_route_method_and_class_of_status() {
        let requests = Requests::default();
        let took = Duration::from_millis(30);
        for (method, status) in [("GET", 200), ("GET", 304), ("POST", 201), ("BREW", 418), ("GET", 204)] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            requests.answered("/v1/memories/{id}", &method, StatusCode::from_u16(status).unwrap(), took);
        }
        let text = prometheus(requests.samples());
        for (method, class, count) in [("GET", "2xx", 2), ("GET", "3xx", 1), ("POST", "2xx", 1), ("OTHER", "4xx", 1)] {
            let labels = format!("route=\"/v1/memories/{{id}}\",method=\"{method}\",status=\"{class}\"");
            let line = format!("mcp_http_request_seconds_count{{{labels}}} {count}\n");
            assert!(text.contains(&line), "{line} is not in\n{text}");
        }
    }
}
