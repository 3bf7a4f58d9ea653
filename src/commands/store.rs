//! `backref store copy`: what is in one store, put into another.

use std::sync::Arc;

use super::{
    log::log_to_stderr,
    printer::{Line, Printer, Unit, fail},
    status::ExitStatus,
};
use crate::{
    app::open_store,
    cli::{CopyStore, StoreCommand},
    config::{Log, LogFormat, Store as Settings, StoreUrl},
    operator::copy_table,
    store::{OpenFor, Store, Table},
    words::{many, number},
};

pub(super) fn run(command: &StoreCommand) -> ExitStatus {
    let StoreCommand::Copy(args) = command;
    log_to_stderr(&Log { filter: "warn".to_owned(), format: LogFormat::Text, access: 0.0 });
    copy(args).unwrap_or_else(|error| fail(args.output, &error))
}

fn copy(args: &CopyStore) -> Result<ExitStatus, Box<dyn std::error::Error>> {
    let settings = |text: &str| Settings::parse(text, args.password_file.as_deref());
    let (from, to) = (settings(&args.from)?, settings(&args.to)?);
    if from == to {
        return Err("FROM and TO are the same store".into());
    }
    if let StoreUrl::Sqlite(path) = &from.url
        && !path.exists()
    {
        return Err(format!("there is no store {}", path.display()).into());
    }
    let (from, to) = (open(&from)?, open(&to)?);
    let printer = Printer::new(args.output);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        for table in Table::ALL {
            let step = || printer.step(Unit::Rows, &table.name());
            let copied = copy_table(&*from, &*to, table, step).await?;
            let counts = [("rows", copied.from.rows), ("put", copied.put)].into();
            let (name, rows, put) = (table.name(), copied.from.rows, copied.put);
            if copied.from == copied.to {
                let digest = copied.to.digest.map(|digest| digest.to_string()).unwrap_or_default();
                let message = format!(
                    "{name}: {}, {} of them put now; both stores have {digest}",
                    many(rows, "row", "rows"),
                    number(put)
                );
                printer.say(&Line { kind: "table", message, counts, ..Line::default() });
            } else {
                let message = format!(
                    "{name}: {rows} rows, and {} in the other, which are not the same: somebody has written to one of them; \
                     stop that, empty the second, and copy again",
                    copied.to.rows
                );
                printer.finding(&Line { kind: "differs", message, counts, ..Line::default() });
            }
        }
        printer.end();
        Ok(if printer.has_found() { ExitStatus::Finding } else { ExitStatus::Fine })
    })
}

/// A file so that no `serve` uses it meanwhile; of a database that several share, that is the operator's business.
fn open(settings: &Settings) -> Result<Arc<dyn Store>, crate::store::OpenError> {
    let purpose = match settings.url {
        StoreUrl::Sqlite(_) => OpenFor::Serving,
        StoreUrl::Postgres(_) => OpenFor::Command,
    };
    open_store(settings, purpose, 1)
}
