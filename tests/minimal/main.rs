//! A GraphQL function of one constant field, on the same two libraries as the real one.

use async_graphql::{EmptyMutation, EmptySubscription, Object, Request as Asked, Schema};
use lambda_http::{Body, Error, Request, Response, run, service_fn};

struct Query;

#[Object]
impl Query {
    async fn hello(&self) -> &str {
        "world"
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let schema = Schema::new(Query, EmptyMutation, EmptySubscription);
    run(service_fn(move |request: Request| {
        let schema = schema.clone();
        async move {
            let asked: Asked = serde_json::from_slice(request.body())?;
            let answer = serde_json::to_string(&schema.execute(asked).await)?;
            Ok::<_, Error>(Response::new(Body::from(answer)))
        }
    }))
    .await
}
