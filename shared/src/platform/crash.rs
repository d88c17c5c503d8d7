//! Named places where a process may die, for tests that let it die there. Only a build with the feature `crash-points`
//! has them, which no deployment has; elsewhere a point is nothing.

/// The process dies here, as by `kill -9`, if it was started with `CRASH_AT` set to `name`.
#[cfg(feature = "crash-points")]
pub fn point(name: &str) {
    if armed::AT.get().is_some_and(|at| at == name) {
        eprintln!("crash point {name}");
        std::process::abort();
    }
}

/// Nothing.
#[cfg(not(feature = "crash-points"))]
#[inline]
pub fn point(_: &str) {}

/// Arms the point that `CRASH_AT` names.
#[cfg(feature = "crash-points")]
pub(crate) fn arm(vars: &super::config::Vars) {
    if let Some(name) = vars.get("CRASH_AT") {
        // The first one stays.
        let _ = armed::AT.set(name.to_owned());
    }
}

#[cfg(feature = "crash-points")]
mod armed {
    use std::sync::OnceLock;

    pub(super) static AT: OnceLock<String> = OnceLock::new();
}
