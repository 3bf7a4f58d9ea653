//! A subject's listed referrers, in the order that was asked for. Each order, with and without a type, is the order of an
//! index: nothing is sorted, and what is read is what is given.

use std::{cmp::Reverse, ops::ControlFlow};

use rusqlite::{Connection, Result, Row};

use super::{
    columns::digest,
    merge::merge,
    part::{self, Part},
};
use crate::{
    oci::{Digest, Listed, Repository},
    referrers::{ManifestKey, Order, Query},
    store::{Row as Referrer, RowSink, referrers_tags::Entries},
};

/// Gives rows to `sink` until it has enough, one more than the query's limit at most.
pub(crate) fn list(db: &Connection, of: (&str, &Repository), query: &Query, sink: &mut dyn RowSink) -> Result<()> {
    let mut left = query.limit.saturating_add(1);
    read(db, of, query, |row| {
        left -= 1;
        let given = sink.row(Referrer {
            created: row.get(0)?,
            arrival: row.get(1)?,
            digest: row.get_ref(2)?.as_str()?,
            descriptor: row.get_ref(3)?.as_str()?,
        });
        Ok(if left == 0 { ControlFlow::Break(()) } else { given })
    })
}

/// What a subject's referrers tag should hold; `None` where that is more than `max_bytes`.
pub(crate) fn entries(
    db: &Connection,
    subject: &ManifestKey,
    other_form: Option<&Digest>,
    without_subject: bool,
    max_bytes: usize,
) -> Result<Option<Vec<Listed>>> {
    let query = Query::of_tag(&subject.digest, other_form, without_subject);
    let mut entries = Entries::of_at_most(max_bytes);
    read(db, (&subject.upstream, &subject.repository), &query, |row| {
        Ok(entries.take(Listed { digest: digest(row, 2)?, descriptor: row.get(3)? }))
    })?;
    Ok(entries.all())
}

fn read(
    db: &Connection,
    of: (&str, &Repository),
    query: &Query,
    mut each: impl FnMut(&Row<'_>) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let types = types(db, of, query)?;
    let sql = part::sql(query);
    let (None, [artifact_type]) = (&query.other_form, &types[..]) else {
        return read_several(db, of, query, (&sql, &types), each);
    };
    let part = Part { subject: &query.subject, other_form: None, artifact_type: *artifact_type };
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = part.rows(&mut statement, of, query)?;
    while let Some(row) = rows.next()? {
        if each(row)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Of each form and each type there is a part.
fn read_several(
    db: &Connection,
    of: (&str, &Repository),
    query: &Query,
    (sql, types): (&str, &[Option<&str>]),
    each: impl FnMut(&Row<'_>) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let one_form = (&query.subject, query.other_form.as_ref());
    let forms = std::iter::once(one_form).chain(query.other_form.as_ref().map(|other| (other, Some(&query.subject))));
    let parts: Vec<_> = forms
        .flat_map(|(subject, other_form)| {
            types.iter().map(move |&artifact_type| Part { subject, other_form, artifact_type })
        })
        .collect();
    // They are read at the same time, so each has a statement of its own. The cache tells statements apart by their text.
    let statements = (0..parts.len()).map(|number| db.prepare_cached(&format!("{sql} -- {number}")));
    let mut statements = statements.collect::<Result<Vec<_>>>()?;
    let rows = statements.iter_mut().zip(&parts).map(|(statement, part)| part.rows(statement, of, query));
    let rows = rows.collect::<Result<Vec<_>>>()?;
    match query.order {
        Order::Arrival => merge(rows, |row| Ok(Reverse((row.get::<_, i64>(1)?, row.get::<_, String>(2)?))), each),
        Order::Newest => {
            merge(rows, |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?)), each)
        }
    }
}

/// The artifact types to read, each once; `None` is all of them. Of several, those that nothing has are left out: clients
/// write a `+` in two ways, and both are asked for.
fn types<'q>(db: &Connection, of: (&str, &Repository), query: &'q Query) -> Result<Vec<Option<&'q str>>> {
    let mut wanted: Vec<_> = query.artifact_types.iter().map(String::as_str).collect();
    wanted.sort_unstable();
    wanted.dedup();
    if wanted.is_empty() {
        return Ok(vec![None]);
    }
    let mut types = Vec::with_capacity(wanted.len());
    if wanted.len() == 1 {
        types.push(Some(wanted[0]));
        return Ok(types);
    }
    let mut any = db.prepare_cached(
        "SELECT 1 FROM referrer INDEXED BY referrer_by_type
         WHERE upstream = ? AND repository = ? AND subject = ? AND state = 'listed' AND artifact_type = ? LIMIT 1",
    )?;
    for one in wanted {
        for form in std::iter::once(&query.subject).chain(&query.other_form) {
            if any.exists([of.0, of.1.as_str(), form.as_str(), one])? {
                types.push(Some(one));
                break;
            }
        }
    }
    Ok(types)
}
