//! Tools that take their time: they say how far they are, and stop when they are told to.

use std::time::Duration;

use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::ProgressNotificationParam;
use rmcp::service::RequestContext;
use rmcp::{RoleServer, tool, tool_router};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::Everything;

#[derive(Deserialize, JsonSchema)]
struct Slow {
    /// How long to take, in milliseconds: at most 600000.
    #[schemars(range(max = 600_000))]
    ms: u64,
    /// In how many steps, each of which is reported as progress: 1 to 1000.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1000))]
    steps: u32,
}

fn one() -> u32 {
    1
}

#[tool_router(router = slow, vis = "pub(crate)")]
impl Everything {
    /// Takes its time, reports its progress if asked to, and answers `slow done`. Can be cancelled.
    #[tool(name = "slow", annotations(read_only_hint = true))]
    async fn slow_down(
        Parameters(Slow { ms, steps }): Parameters<Slow>,
        context: RequestContext<RoleServer>,
    ) -> Result<String, String> {
        if ms > 600_000 {
            return Err("the argument `ms` must be at most 600000, which is ten minutes".to_owned());
        }
        if !(1..=1000).contains(&steps) {
            return Err("the argument `steps` must be from 1 to 1000".to_owned());
        }
        for step in 1..=steps {
            pause(Duration::from_millis(ms) / steps, &context).await?;
            report(step, steps, &context).await;
        }
        Ok("slow done".to_owned())
    }

    /// Reports that nothing is done, then half, then all.
    #[tool(annotations(read_only_hint = true))]
    async fn test_tool_with_progress(context: RequestContext<RoleServer>) -> Result<String, String> {
        report(0, 100, &context).await;
        for done in [50, 100] {
            pause(Duration::from_millis(50), &context).await?;
            report(done, 100, &context).await;
        }
        Ok("The progress was reported.".to_owned())
    }

    /// Answers after a moment, in which a client can lose its connection and come back.
    #[tool(annotations(read_only_hint = true))]
    async fn test_reconnection(context: RequestContext<RoleServer>) -> Result<String, String> {
        pause(Duration::from_millis(100), &context).await?;
        Ok("The answer has arrived.".to_owned())
    }
}

/// Waits, unless the call is cancelled.
async fn pause(time: Duration, context: &RequestContext<RoleServer>) -> Result<(), String> {
    tokio::select! {
        () = tokio::time::sleep(time) => Ok(()),
        () = context.ct.cancelled() => Err("cancelled".to_owned()),
    }
}

/// Says how much is done, if the caller asked for that.
async fn report(done: u32, total: u32, context: &RequestContext<RoleServer>) {
    if let Some(token) = context.meta.get_progress_token() {
        let progress = ProgressNotificationParam::new(token, done.into()).with_total(total.into());
        // Progress that reaches nobody is no reason to stop.
        let _ = context.peer.notify_progress(progress).await;
    }
}
