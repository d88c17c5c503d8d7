//! Where traces go, and which: OpenTelemetry's own variables
//! (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>), as far as they apply.

use std::collections::HashMap;

use http::{HeaderName, HeaderValue};
use reqwest::Url;

use crate::platform::config::{ConfigError, Variable, Vars};
use crate::platform::secret::Secret;
use crate::platform::secrets::Reference;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";

pub(in crate::platform) const VARIABLES: &[Variable] = &[
    Variable {
        name: ENDPOINT,
        meaning: "a collector of traces: OTLP over HTTP, as in http://localhost:4318",
        default: "",
    },
    Variable { name: HEADERS, meaning: "what it is shown, such as a key: NAME=VALUE,NAME=VALUE (secret)", default: "" },
    Variable {
        name: "OTEL_SERVICE_NAME",
        meaning: "as what traces are sent",
        default: "mcp-server; the function's name",
    },
    Variable {
        name: SAMPLER,
        meaning: "which requests are traced: always_on, always_off, traceidratio; or parentbased_ before these: as the caller says",
        default: "parentbased_always_on",
    },
    Variable { name: ARGUMENT, meaning: "of traceidratio: the share, from 0 to 1", default: "1" },
];

/// Where traces go, and which.
#[cfg_attr(not(any(feature = "otel", test)), expect(dead_code, reason = "this build sends none"))]
#[derive(Debug, Clone)]
pub(super) struct OtlpConfig {
    /// `None` while it refers to secrets that are not resolved yet.
    pub(super) collector: Option<Collector>,
    pub(super) service: String,
    pub(super) sampling: Sampling,
}

/// Who takes traces.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Collector {
    pub(super) url: Url,
    pub(super) headers: HashMap<String, Secret>,
}

/// Which requests are traced.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sampling {
    /// What a caller says of it holds.
    pub(super) by_parent: bool,
    /// Of those of which nobody says anything.
    pub(super) share: f64,
}

impl OtlpConfig {
    /// `None` where traces go nowhere.
    pub(super) fn from_vars(vars: &Vars) -> Result<Option<Self>, ConfigError> {
        let (endpoint, headers) = (vars.get(ENDPOINT), vars.get(HEADERS));
        let (service, sampling) = (vars.get("OTEL_SERVICE_NAME"), sampling(vars)?);
        let function = vars.get("AWS_LAMBDA_FUNCTION_NAME").unwrap_or("mcp-server");
        let Some(endpoint) = endpoint else { return Ok(None) };
        let pending = [Some(endpoint), headers].into_iter().flatten().any(|value| Reference::parse(value).is_some());
        let collector = if pending { None } else { Some(Collector::new(endpoint, headers.unwrap_or_default())?) };
        Ok(Some(Self { collector, service: service.unwrap_or(function).to_owned(), sampling }))
    }
}

impl Collector {
    fn new(endpoint: &str, headers: &str) -> Result<Self, ConfigError> {
        // Not shown: it may carry a key.
        let expected = || ConfigError::expected(ENDPOINT, "an http:// or https:// URL, as in http://localhost:4318");
        let mut url = Url::parse(endpoint).map_err(|_| expected())?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(expected());
        }
        url.set_path(&format!("{}/v1/traces", url.path().trim_end_matches('/')));
        let header = |pair: &str| {
            let (name, value) = pair.split_once('=')?;
            let (name, value) = (name.trim(), value.trim());
            let is_one = HeaderName::from_bytes(name.as_bytes()).is_ok() && HeaderValue::from_str(value).is_ok();
            is_one.then(|| (name.to_ascii_lowercase(), Secret::new(value)))
        };
        let pairs = headers.split(',').filter(|pair| !pair.trim().is_empty());
        let headers =
            pairs.map(|pair| header(pair).ok_or_else(|| ConfigError::expected(HEADERS, "NAME=VALUE,NAME=VALUE")));
        Ok(Self { url, headers: headers.collect::<Result<_, _>>()? })
    }
}

fn sampling(vars: &Vars) -> Result<Sampling, ConfigError> {
    const EXPECTED: &str = "a number from 0 to 1";
    let ratio: f64 = vars.parse(ARGUMENT, EXPECTED)?.unwrap_or(1.0);
    if !(0.0..=1.0).contains(&ratio) {
        return Err(ConfigError::invalid(ARGUMENT, ratio, EXPECTED));
    }
    let sampler = vars.get(SAMPLER).unwrap_or("parentbased_always_on");
    let (by_parent, root) = match sampler.strip_prefix("parentbased_") {
        Some(root) => (true, root),
        None => (false, sampler),
    };
    let share = match root {
        "always_on" => 1.0,
        "always_off" => 0.0,
        "traceidratio" => ratio,
        _ => {
            let expected = "always_on, always_off or traceidratio, or one of these after parentbased_";
            return Err(ConfigError::invalid(SAMPLER, sampler, expected));
        }
    };
    Ok(Sampling { by_parent, share })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "secret-of-the-collector";

    fn read<const N: usize>(pairs: [(&str, &str); N]) -> Result<Option<OtlpConfig>, String> {
        OtlpConfig::from_vars(&Vars::from_iter(pairs)).map_err(|error| error.to_string())
    }

    #[test]
    fn without_an_endpoint_nothing_is_sent() {
        assert!(read([(HEADERS, "a=b")]).unwrap().is_none());
    }

    #[test]
    fn the_path_of_traces_comes_after_that_of_the_endpoint() {
        for (endpoint, expected) in [
            ("http://localhost:4318", "http://localhost:4318/v1/traces"),
            ("https://collector.example.com/otlp/", "https://collector.example.com/otlp/v1/traces"),
        ] {
            let config = read([(ENDPOINT, endpoint)]).unwrap().unwrap();
            assert_eq!(config.collector.unwrap().url.as_str(), expected);
            assert_eq!(
                (config.service.as_str(), config.sampling),
                ("mcp-server", Sampling { by_parent: true, share: 1.0 })
            );
        }
    }

    #[test]
    fn headers_are_secrets() {
        let headers = format!("x-api-key={KEY}, Tenant=a=b");
        let config = read([(ENDPOINT, "http://localhost:4318"), (HEADERS, &headers)]).unwrap().unwrap();
        assert!(!format!("{config:?}").contains(KEY));
        let headers = config.collector.unwrap().headers;
        assert_eq!((headers["x-api-key"].expose(), headers["tenant"].expose()), (KEY, "a=b"));
        let error = read([(ENDPOINT, "http://localhost:4318"), (HEADERS, KEY)]).unwrap_err();
        assert!(error.starts_with(HEADERS) && !error.contains(KEY), "{error}");
        let error = read([(ENDPOINT, KEY)]).unwrap_err();
        assert!(error.starts_with(ENDPOINT) && !error.contains(KEY), "{error}");
    }

    #[test]
    fn a_reference_waits_until_it_is_resolved() {
        let config = read([(ENDPOINT, "http://localhost:4318"), (HEADERS, "ssm:/collector/headers")]).unwrap();
        assert!(config.unwrap().collector.is_none());
    }

    #[test]
    fn samplers_are_those_of_the_specification() {
        let sampled = |sampler, ratio| {
            let config = read([(ENDPOINT, "http://localhost:4318"), (SAMPLER, sampler), (ARGUMENT, ratio)]);
            config.map(|config| config.unwrap().sampling)
        };
        assert_eq!(sampled("traceidratio", "0.25"), Ok(Sampling { by_parent: false, share: 0.25 }));
        assert_eq!(sampled("parentbased_always_off", "1"), Ok(Sampling { by_parent: true, share: 0.0 }));
        assert!(sampled("parentbased_jaeger_remote", "1").unwrap_err().starts_with(SAMPLER));
        assert!(sampled("traceidratio", "2").unwrap_err().starts_with(ARGUMENT));
        let service = read([(ENDPOINT, "http://localhost:4318"), ("AWS_LAMBDA_FUNCTION_NAME", "relay")]).unwrap();
        assert_eq!(service.unwrap().service, "relay");
    }
}
