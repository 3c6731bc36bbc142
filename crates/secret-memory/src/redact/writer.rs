//! What traces and panics look like, and that they go through the mask.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal, Write};
use std::panic::PanicHookInfo;

use tracing::Subscriber;
use tracing::subscriber::set_global_default;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;

use super::mask;

/// How a trace is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// One line for a human.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Why there is no trace.
#[derive(Debug, thiserror::Error)]
pub enum TracingError {
    /// The filter is not one.
    #[error("`{filter}` is not a filter for traces; write something like `info` or `broker=debug`")]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        #[source]
        cause: ParseError,
    },
    /// Something has set up traces before.
    #[error("traces are set up already")]
    SetUp(#[source] tracing::subscriber::SetGlobalDefaultError),
}

/// Sends traces to `writer`, masked; in colour if standard error is a terminal.
///
/// # Errors
///
/// If the filter is not one, or traces are set up already.
pub fn init_tracing<M>(format: Format, filter: &str, writer: M) -> Result<(), TracingError>
where
    M: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let colour = io::stderr().is_terminal();
    let subscriber = subscriber(format, filter, colour, writer)?;
    set_global_default(subscriber).map_err(TracingError::SetUp)
}

/// Lets a panic say what it has to say to `writer`, masked, in place of where it said so before.
pub fn install_panic_hook<M>(writer: M)
where
    M: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    std::panic::set_hook(Box::new(move |info| {
        // Nowhere is left to complain if standard error is gone.
        writer
            .make_writer()
            .write_all(&mask(words_of(info).as_bytes()))
            .unwrap_or_default();
    }));
}

fn words_of(info: &PanicHookInfo<'_>) -> String {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("without a name");
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        format!("thread {name} {info}\n{backtrace}\n")
    } else {
        format!("thread {name} {info}\n")
    }
}

fn subscriber<M>(
    format: Format,
    filter: &str,
    colour: bool,
    writer: M,
) -> Result<Box<dyn Subscriber + Send + Sync>, TracingError>
where
    M: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let parsed = EnvFilter::try_new(filter).map_err(|cause| TracingError::Filter {
        filter: filter.to_owned(),
        cause,
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(parsed)
        .with_writer(Redacting::new(writer));
    Ok(match format {
        Format::Text => Box::new(builder.with_ansi(colour).finish()),
        Format::Json => Box::new(builder.json().with_ansi(false).finish()),
    })
}

/// Makes writers that mask what is written through them.
#[derive(Debug)]
pub struct Redacting<M>(M);

impl<M> Redacting<M> {
    /// Masks what goes to the writers of `inner`.
    pub const fn new(inner: M) -> Self {
        Self(inner)
    }
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Redacting<M> {
    type Writer = Masked<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Masked {
            inner: self.0.make_writer(),
            pending: Vec::new(),
        }
    }
}

/// A writer for one event, which goes out whole and masked when the writer is dropped. So a token
/// cannot slip through in two halves, nor a key line by line.
#[derive(Debug)]
pub struct Masked<W: Write> {
    inner: W,
    pending: Vec<u8>,
}

impl<W: Write> Write for Masked<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pending.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Does nothing: half an event is not written.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W: Write> Drop for Masked<W> {
    fn drop(&mut self) {
        // A trace may be lost, and there is no one left to tell.
        self.inner
            .write_all(&mask(&self.pending))
            .unwrap_or_default();
        self.inner.flush().unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    const TOKEN: &str = "ghp_CANARYcanaryCANARYcanaryCANARYcan012";

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Page {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn traced(format: Format, colour: bool, speak: impl FnOnce()) -> String {
        let page = Page::default();
        let writer = page.clone();
        let subscriber = subscriber(format, "info", colour, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, speak);
        page.text()
    }

    #[test]
    fn a_token_in_a_message_a_field_or_a_span_is_masked_in_every_format() {
        for (format, colour) in [
            (Format::Text, false),
            (Format::Text, true),
            (Format::Json, false),
        ] {
            let text = traced(format, colour, || {
                let _span = tracing::info_span!("span", header = TOKEN).entered();
                let error = io::Error::other(format!("bad\n{TOKEN}\n"));
                tracing::warn!(field = TOKEN, %error, debug = ?error, "said {TOKEN}");
            });
            assert!(!text.contains("CANARY"), "{text}");
            // JSON has the span twice.
            assert!(text.matches("ghp_[masked]").count() >= 5, "{text}");
            assert!(text.contains("said "), "{text}");
        }
    }

    #[test]
    fn a_json_trace_is_one_object_a_line() {
        let text = traced(Format::Json, false, || {
            tracing::info!(key = 1, "hello {TOKEN}");
        });
        let line: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!(line["fields"]["message"], "hello ghp_[masked]");
        assert_eq!(line["fields"]["key"], 1);
    }

    #[test]
    fn without_a_terminal_there_is_no_colour() {
        let text = traced(Format::Text, false, || tracing::info!(key = 1, "hello"));
        assert!(text.ends_with("hello key=1\n"), "{text}");
        assert!(!text.contains('\x1b'), "{text}");
    }

    #[test]
    fn a_token_written_in_two_halves_is_masked() {
        let page = Page::default();
        let mut writer = Masked {
            inner: page.clone(),
            pending: Vec::new(),
        };
        let (one, other) = TOKEN.split_at(17);
        writer.write_all(one.as_bytes()).unwrap();
        writer.flush().unwrap();
        writer.write_all(other.as_bytes()).unwrap();
        drop(writer);
        assert_eq!(page.text(), "ghp_[masked]");
    }

    #[test]
    fn a_filter_that_is_none_is_refused_by_name() {
        let Err(error) = subscriber(Format::Text, "broker=loud", false, io::sink) else {
            panic!("`loud` is no level");
        };
        assert!(
            error
                .to_string()
                .starts_with("`broker=loud` is not a filter"),
            "{error}"
        );
    }
}
