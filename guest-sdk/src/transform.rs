//! Stateless operators, one kind each.

use crate::bindings::imports::millstream::plugin::types::{Columns, Outcome};
use crate::context;
use crate::field::{Done, EventTime, Field, Pair, Verdict};
use crate::function::Function;
use crate::node::{Call, Node, kind};
use crate::out::{Out, each};
use crate::record::Record;

/// Room for an outcome that is about as large as its input.
fn roomy<'a>(batch: &Columns, outputs: &'a [String]) -> Out<'a> {
    Out::new(batch.value_lengths.len(), batch.bytes.len(), outputs)
}

/// Room for an outcome of kept rows.
fn rows_only(batch: &Columns) -> Out<'static> {
    Out::new(batch.value_lengths.len(), 0, &[])
}

impl<P, F> Node for Call<kind::Filter, P, F>
where
    F: for<'a> Function<'a, P, (Record<'a>,), Returned: Verdict>,
{
    fn transform(&mut self, batch: &Columns) -> Outcome {
        each(batch, rows_only(batch), false, |out, record| {
            if self.function.call(&self.params, (record,)).verdict()? {
                out.keep();
            }
            Ok(())
        })
    }
}

impl<P, F> Node for Call<kind::Value, P, F>
where
    F: for<'a> Function<'a, P, (Record<'a>,), Returned: Field>,
{
    fn transform(&mut self, batch: &Columns) -> Outcome {
        each(batch, roomy(batch, &[]), false, |out, record| out.try_value(self.function.call(&self.params, (record,))))
    }
}

impl<P, F> Node for Call<kind::Key, P, F>
where
    F: for<'a> Function<'a, P, (Record<'a>,), Returned: Field>,
{
    fn transform(&mut self, batch: &Columns) -> Outcome {
        each(batch, roomy(batch, &[]), false, |out, record| out.try_key(self.function.call(&self.params, (record,))))
    }
}

impl<P, F> Node for Call<kind::Map, P, F>
where
    F: for<'a> Function<'a, P, (Record<'a>,), Returned: Pair>,
{
    fn transform(&mut self, batch: &Columns) -> Outcome {
        each(batch, roomy(batch, &[]), false, |out, record| out.try_pair(self.function.call(&self.params, (record,))))
    }
}

impl<P, F> Node for Call<kind::Flat, P, F>
where
    F: for<'a, 'o> Function<'a, P, (Record<'a>, &'o mut Out<'a>), Returned: Done>,
{
    fn transform(&mut self, batch: &Columns) -> Outcome {
        each(batch, roomy(batch, &self.outputs), false, |out, record| {
            self.function.call(&self.params, (record, out)).done()
        })
    }
}

impl<P, F> Node for Call<kind::Peek, P, F>
where
    F: for<'a> Function<'a, P, (Record<'a>,), Returned: Done>,
{
    fn transform(&mut self, batch: &Columns) -> Outcome {
        each(batch, Out::new(0, 0, &[]), false, |_, record| self.function.call(&self.params, (record,)).done())
    }
}

impl<P, F> Node for Call<kind::Timestamp, P, F>
where
    F: for<'a> Function<'a, P, (Record<'a>, i64), Returned: EventTime>,
{
    fn transform(&mut self, batch: &Columns) -> Outcome {
        let mut latest = context::partition_time();
        each(batch, rows_only(batch), false, |out, record| {
            let time = self.function.call(&self.params, (record, latest)).event_time()?;
            latest = latest.max(time);
            out.timestamp(time);
            Ok(())
        })
    }
}
