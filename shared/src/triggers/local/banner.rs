//! What the local process prints when it is ready: where it is, and lines to paste.

use std::fmt::Write;
use std::net::SocketAddr;

/// A USER's and an ADMIN's token.
pub(super) struct Tokens {
    pub(super) user: String,
    pub(super) admin: String,
}

/// The text. Tokens are shown only where nobody but this machine can reach the process.
/// `parts` say what is behind it.
pub(super) fn text(addr: SocketAddr, graphql: bool, parts: &[(&str, &str)], tokens: Option<&Tokens>) -> String {
    let base = format!("http://{addr}");
    let mut text = format!("\nmcp-server is ready at {base}\n\n");
    let mut line = |what: &str, value: &str| {
        // Writing to a String does not fail.
        let _ = writeln!(text, "  {what:<10} {value}");
    };
    if graphql {
        line("GraphQL", &format!("{base}/graphql (open it in a browser for GraphiQL)"));
        line("Live", &format!("ws://{addr}/graphql/ws"));
    }
    line("REST", &format!("{base}/v1 (open it in a browser to try it)"));
    line("MCP", &format!("{base}/mcp"));
    line("Health", &format!("{base}/healthz"));
    for (what, value) in parts {
        line(what, value);
    }
    let post = |path: &str, body: &str| format!("curl -s {base}{path} -H 'content-type: application/json' -d '{body}'");
    let (query, mutation) = if graphql {
        let query = r#"{"query":"{ cryptoPrices(coins: [\"bitcoin\", \"ethereum\"]) { coin usd source } }"}"#;
        let mutation = r#"{"query":"mutation { updateEmotion(feedback: 30) { emotion points version } }"}"#;
        (post("/graphql", query), post("/graphql", mutation))
    } else {
        (format!("curl -s '{base}/v1/prices?coins=bitcoin,ethereum'"), post("/v1/emotion", r#"{"feedback": 30}"#))
    };
    let _ = write!(text, "\nA first query:\n\n{query}\n");
    if let Some(tokens) = tokens {
        let _ = write!(
            text,
            "\nAs a user:\n\n{mutation} -H 'authorization: Bearer {}'\n\nThe ADMIN token:\n\n{}\n",
            tokens.user, tokens.admin
        );
    }
    text.push_str("\nCtrl-C ends it.\n");
    text
}
