//! Rows of several sites in order of person, where each site's are.

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::Int64Type;
use datafusion::error::{DataFusionError, Result as PlanResult};

/// Merges batches of several sites. Of one person the rows come site after site.
pub(crate) struct Merge<R> {
    sites: Vec<Site<R>>,
    /// The column of the person.
    unit: usize,
    /// Whether a person's rows of later sites are left out.
    once: bool,
    /// The person at hand, and where it was first.
    current: Option<(i64, usize)>,
    failed: bool,
}

struct Site<R> {
    reader: R,
    batch: Option<RecordBatch>,
    /// The next row.
    at: usize,
}

impl<R: Iterator<Item = PlanResult<RecordBatch>>> Merge<R> {
    /// Merges `sites`, in their order; column `unit` is the person.
    pub(crate) fn new(sites: Vec<R>, unit: usize, once: bool) -> Self {
        let sites = sites.into_iter().map(|reader| Site { reader, batch: None, at: 0 });
        Self { sites: sites.collect(), unit, once, current: None, failed: false }
    }

    /// Makes every site have a next row, unless it is at its end.
    fn fill(&mut self) -> PlanResult<()> {
        for site in &mut self.sites {
            while site.batch.as_ref().is_none_or(|batch| site.at >= batch.num_rows()) {
                site.at = 0;
                match site.reader.next() {
                    Some(batch) => site.batch = Some(batch?),
                    None => {
                        site.batch = None;
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// As many rows as can be told without reading on.
    fn merged(&mut self) -> PlanResult<Option<RecordBatch>> {
        let mut picked: Vec<(usize, usize)> = Vec::new();
        let (mut batches, mut units, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for (place, site) in self.sites.iter().enumerate() {
            let Some(batch) = &site.batch else { continue };
            let persons = batch.column(self.unit).as_primitive_opt::<Int64Type>();
            let persons = persons.ok_or_else(|| {
                DataFusionError::Internal("the column of persons has another type".to_owned())
            })?;
            batches.push(batch);
            units.push(persons.values().as_ref());
            places.push((place, site.at));
        }
        if let [batch] = batches.as_slice()
            && !self.once
        {
            let at = places[0].1;
            let rest = batch.slice(at, batch.num_rows() - at);
            self.sites[places[0].0].batch = None;
            return Ok(Some(rest));
        }
        if batches.is_empty() {
            return Ok(None);
        }
        loop {
            let next = (0..units.len()).min_by_key(|i| (units[*i][places[*i].1], *i));
            let Some(next) = next else { break };
            let (site, at) = places[next];
            let person = units[next][at];
            let run = units[next][at..].iter().take_while(|unit| **unit == person).count();
            let first = match self.current {
                Some((same, first)) if same == person => first,
                _ => {
                    self.current = Some((person, site));
                    site
                }
            };
            if !self.once || first == site {
                picked.extend((at..at + run).map(|row| (next, row)));
            }
            places[next].1 = at + run;
            if places[next].1 == units[next].len() {
                break;
            }
        }
        let merged = interleave_record_batch(&batches, &picked)?;
        for (site, at) in places {
            self.sites[site].at = at;
        }
        Ok(Some(merged))
    }
}

impl<R: Iterator<Item = PlanResult<RecordBatch>>> Iterator for Merge<R> {
    type Item = PlanResult<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let merged = self.fill().and_then(|()| self.merged());
        self.failed = merged.is_err();
        merged.transpose()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};
    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;

    /// Sites of batches of (person, value).
    type Sites = Vec<Vec<Vec<(i64, i64)>>>;

    fn merged(sites: &Sites, once: bool) -> Vec<(i64, i64)> {
        let field = |name: &str| Field::new(name, DataType::Int64, false);
        let schema = Arc::new(Schema::new(vec![field("person"), field("value")]));
        let batch = |rows: &Vec<(i64, i64)>| {
            let column = |of: fn(&(i64, i64)) -> i64| -> ArrayRef {
                Arc::new(rows.iter().map(of).collect::<Int64Array>())
            };
            let columns = vec![column(|row| row.0), column(|row| row.1)];
            Ok(RecordBatch::try_new(Arc::clone(&schema), columns).unwrap())
        };
        let sites = sites.iter().map(|site| site.iter().map(batch).collect::<Vec<_>>().into_iter());
        let mut rows = Vec::new();
        for batch in Merge::new(sites.collect(), 0, once) {
            let batch = batch.unwrap();
            let column = |i: usize| batch.column(i).as_primitive::<Int64Type>().values().to_vec();
            rows.extend(column(0).into_iter().zip(column(1)));
        }
        rows
    }

    #[test]
    fn persons_come_in_order_and_each_whole() {
        let sites = vec![
            vec![vec![(1, 10), (3, 11)], vec![], vec![(3, 12), (3, 13), (9, 14)]],
            vec![],
            vec![vec![(2, 20), (3, 21)], vec![(3, 22)], vec![(4, 23), (11, 24)]],
        ];
        let expected = [
            (1, 10),
            (2, 20),
            (3, 11),
            (3, 12),
            (3, 13),
            (3, 21),
            (3, 22),
            (4, 23),
            (9, 14),
            (11, 24),
        ];
        assert_eq!(merged(&sites, false), expected);
        let first: Vec<_> = expected.iter().filter(|row| ![21, 22].contains(&row.1)).collect();
        assert_eq!(merged(&sites, true).iter().collect::<Vec<_>>(), first);
    }

    #[test]
    fn the_last_site_is_read_to_its_end() {
        let sites = vec![vec![vec![(1, 10)]], vec![vec![(1, 20), (5, 21)], vec![(5, 22), (6, 23)]]];
        assert_eq!(merged(&sites, true), [(1, 10), (5, 21), (5, 22), (6, 23)]);
        assert_eq!(merged(&sites, false).len(), 5);
    }
}
