//! One line for every request: who called what, how it ended, how long it took. Never a secret, a token or an input.

use std::time::Duration;

/// What becomes known of a request on its way.
#[derive(Debug, Default)]
pub struct Entry {
    /// The service's name.
    pub service: Option<String>,
    /// The operation.
    pub operation: Option<String>,
    /// The caller's ARN, once the signature holds.
    pub caller: Option<String>,
    /// The error code of a refusal or failure.
    pub code: Option<String>,
}

impl Entry {
    /// Writes it: failures of ours as errors, reads that succeed as detail, the rest as information.
    pub fn write(&self, request_id: &str, status: u16, took: Duration) {
        let text = |field: &'_ Option<String>| field.clone().unwrap_or_else(|| "-".to_owned());
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    request_id,
                    service = text(&self.service),
                    operation = text(&self.operation),
                    caller = text(&self.caller),
                    code = self.code.as_deref().unwrap_or("OK"),
                    status,
                    micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
                    "request"
                )
            };
        }
        if status >= 500 {
            line!(error)
        } else if self.code.is_none() && self.reads() {
            line!(debug)
        } else {
            line!(info)
        }
    }

    fn reads(&self) -> bool {
        self.operation.as_deref().is_some_and(|name| ["Get", "List", "Describe"].iter().any(|it| name.starts_with(it)))
    }
}
