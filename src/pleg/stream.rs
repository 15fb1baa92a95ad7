//! Follows the runtime's event stream and turns each event into a request to read a pod. Losing the stream only costs speed: the
//! relister lists more often then.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt as _;

use crate::pleg::{Notice, Pleg, RuntimeView};

const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(30);
/// A runtime without events may be replaced by one that has them.
const UNIMPLEMENTED_RETRY: Duration = Duration::from_secs(300);

/// Follows the stream until its task ends.
pub async fn follow(pleg: Arc<Pleg>, runtime: Arc<dyn RuntimeView>) {
    let mut delay = FIRST_RETRY;
    loop {
        // A runtime in Go answers the call only with its first event: until then nothing shows that events flow.
        match runtime.events().await {
            Ok(mut events) => {
                pleg.cache.set_streaming(true);
                delay = FIRST_RETRY;
                while let Some(event) = events.next().await {
                    match event {
                        Ok(Notice::Pod(uid)) => pleg.cache.request(&uid),
                        Ok(Notice::Somewhere) => pleg.cache.request_all(),
                        Ok(Notice::Nothing) => {}
                        Err(error) => {
                            if error.is_unimplemented() {
                                delay = UNIMPLEMENTED_RETRY;
                            }
                            tracing::info!(err = %error, "The runtime's event stream ended; listing instead");
                            break;
                        }
                    }
                }
                pleg.cache.set_streaming(false);
            }
            Err(error) if error.is_unimplemented() => {
                tracing::info!("The runtime has no event stream; listing every second instead");
                delay = UNIMPLEMENTED_RETRY;
            }
            Err(error) => tracing::debug!(err = %error, "No event stream from the runtime"),
        }
        tokio::time::sleep(delay).await;
        delay = (delay * 2).clamp(FIRST_RETRY, LAST_RETRY);
    }
}
