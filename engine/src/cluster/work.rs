//! What a bucket's task is about, as bytes: opened and checked where it is done.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_plan::{ExecutionPlan, displayable};
use datafusion::prelude::SessionContext;
use datafusion_proto::physical_plan::AsExecutionPlan;
use datafusion_proto::protobuf::PhysicalPlanNode;
use ledger_adapter::digest::Digest;
use ledger_adapter::keys::PublicKey;
use prost::Message;

use crate::aggregate::operator::BoundExec;
use crate::aggregate::spec::Spec;
use crate::catalog::{Catalog, Records};
use crate::cluster::codec::PlanCodec;
use crate::scan::extract::VerifiedExtract;
use crate::scan::table::BucketTable;
use crate::sql::bind::config;

/// The plan of one bucket, and everything that it needs.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Work {
    #[prost(message, repeated, tag = "1")]
    extracts: Vec<Source>,
    /// The bounds, as JSON, without the keys.
    #[prost(bytes = "vec", tag = "2")]
    spec: Vec<u8>,
    /// The declared keys, if there are any.
    #[prost(message, optional, tag = "3")]
    declared: Option<Keys>,
    /// Plans of rows, then of values.
    #[prost(bytes = "vec", repeated, tag = "4")]
    plans: Vec<Vec<u8>>,
}

/// One extract.
#[derive(Clone, Eq, Hash, PartialEq, Message)]
struct Source {
    /// Where it is: the same for all members.
    #[prost(string, tag = "1")]
    directory: String,
    /// Its name on the ledger.
    #[prost(string, tag = "2")]
    root: String,
    /// The key that signed it.
    #[prost(string, tag = "3")]
    key: String,
}

#[derive(Clone, Eq, Hash, PartialEq, Message)]
struct Keys {
    #[prost(bytes = "vec", repeated, tag = "1")]
    keys: Vec<Vec<u8>>,
}

/// The bytes of a plan over records.
///
/// # Errors
/// If it holds what has no bytes.
fn encoded(plan: &Arc<dyn ExecutionPlan>) -> PlanResult<Vec<u8>> {
    let plan = PhysicalPlanNode::try_from_physical_plan(Arc::clone(plan), &PlanCodec::default())?;
    Ok(plan.encode_to_vec())
}

/// Sees that the plans of a boundary can be told to others: as they were planned, and with
/// nothing lost on the way.
///
/// # Errors
/// If not.
pub(crate) fn check(
    logical: &[LogicalPlan],
    plans: &[Arc<dyn ExecutionPlan>],
    session: &SessionContext,
) -> PlanResult<()> {
    let is_told = |expr: &Expr| match expr {
        // DataFusion's encoding leaves both out.
        Expr::WindowFunction(window)
            if window.params.filter.is_some() || window.params.null_treatment.is_some() =>
        {
            Err(fault("FILTER and IGNORE NULLS of a window have no bytes"))
        }
        _ => Ok(TreeNodeRecursion::Continue),
    };
    for plan in logical {
        plan.apply_with_subqueries(|node| node.apply_expressions(|expr| expr.apply(is_told)))?;
    }
    let (context, codec, mut bytes) = (session.task_ctx(), PlanCodec::default(), 0);
    for plan in plans {
        let told = encoded(plan)?;
        bytes += told.len();
        let again = PhysicalPlanNode::decode(told.as_slice()).map_err(external)?;
        let again = again.try_into_physical_plan(&context, &codec)?;
        let shown = |plan: &dyn ExecutionPlan| displayable(plan).indent(true).to_string();
        if shown(again.as_ref()) != shown(plan.as_ref()) {
            return Err(fault("a part of the plan has no bytes"));
        }
    }
    if bytes > PLAN_BYTES_MAX {
        return Err(fault("its public parts are too large"));
    }
    Ok(())
}

impl Work {
    /// Says what to do with each bucket.
    ///
    /// # Errors
    /// If a plan or a path has no bytes, or only some of the records are at hand.
    pub(crate) fn new(
        catalog: &Catalog,
        inputs: &[Arc<dyn ExecutionPlan>],
        spec: &Spec,
    ) -> PlanResult<Self> {
        let declared = spec.declared.as_ref();
        let keys = declared.map(|keys| keys.iter().map(|key| key.to_vec()).collect());
        let declared = keys.map(|keys| Keys { keys });
        let spec = Spec { declared: None, ..spec.clone() };
        let spec = serde_json::to_vec(&spec).map_err(external)?;
        let plans = inputs.iter().map(encoded).collect::<PlanResult<_>>()?;
        Ok(Self { spec, declared, plans, ..Self::of_nothing(catalog)? })
    }

    /// Work that opens the extracts, and reads no record.
    ///
    /// # Errors
    /// If a path has no bytes, or only some of the records are at hand.
    pub(crate) fn of_nothing(catalog: &Catalog) -> PlanResult<Self> {
        if catalog.records() != Records::All {
            return Err(fault("records of some sites are not at hand"));
        }
        let source = |extract: &VerifiedExtract| {
            let directory = std::path::absolute(extract.directory())?;
            let directory = directory.into_os_string().into_string();
            Ok(Source {
                directory: directory.map_err(|_| fault("the path of an extract is no text"))?,
                root: extract.root().to_string(),
                key: extract.key().to_string(),
            })
        };
        let extracts = catalog.extracts().iter().map(source).collect::<PlanResult<_>>()?;
        Ok(Self { extracts, ..Self::default() })
    }

    /// The operator over one bucket, its extracts opened and checked; `None` if it is work of
    /// nothing.
    ///
    /// # Errors
    /// If the bytes are no work, or an extract is not what it should be.
    pub(crate) fn over(
        &self,
        bucket: usize,
        extracts: &Extracts,
        context: &TaskContext,
    ) -> PlanResult<Option<BoundExec>> {
        let opened = extracts.opened(&self.extracts)?;
        if self.plans.is_empty() {
            return Ok(None);
        }
        let mut spec: Spec = serde_json::from_slice(&self.spec).map_err(external)?;
        let boxed = |keys: &Keys| keys.keys.iter().map(|key| Box::from(&key[..])).collect();
        spec.declared = self.declared.as_ref().map(boxed);
        // Plans are read with the functions and the options that they were made with.
        let session = SessionContext::new_with_config_rt(config(), context.runtime_env());
        let context = session.task_ctx();
        let codec = PlanCodec::over(opened);
        let decoded = |bytes: &Vec<u8>| {
            let plan = PhysicalPlanNode::decode(bytes.as_slice()).map_err(external)?;
            plan.try_into_physical_plan(&context, &codec)
        };
        let inputs = self.plans.iter().map(decoded).collect::<PlanResult<Vec<_>>>()?;
        Ok(Some(BoundExec::new(vec![inputs], Arc::new(spec), bucket..bucket + 1)))
    }
}

/// The extracts that were opened last, with their footers, as the next bucket is of the same ones.
#[derive(Debug, Default)]
pub(crate) struct Extracts {
    last: Mutex<Option<(Vec<Source>, Arc<Opened>)>>,
}

impl Extracts {
    fn opened(&self, sources: &[Source]) -> PlanResult<Arc<Opened>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, opened)) = last.as_ref().filter(|(known, _)| known == sources) {
            return Ok(Arc::clone(opened));
        }
        let open = |source: &Source| {
            let root: Digest = source.root.parse().map_err(external)?;
            let key: PublicKey = source.key.parse().map_err(external)?;
            let directory = PathBuf::from(&source.directory);
            VerifiedExtract::open(&directory, root, &[key]).map_err(external)
        };
        let extracts = sources.iter().map(open).collect::<PlanResult<Vec<_>>>()?;
        let catalog = Catalog::new(extracts).map_err(external)?;
        let opened = Arc::new(Opened { catalog, tables: Mutex::default() });
        *last = Some((sources.to_vec(), Arc::clone(&opened)));
        Ok(opened)
    }
}

/// Extracts of one population, and their tables that were read already.
#[derive(Debug)]
pub(crate) struct Opened {
    catalog: Catalog,
    tables: Mutex<BTreeMap<String, BucketTable>>,
}

impl Opened {
    /// The files of a table.
    ///
    /// # Errors
    /// If there is no such table, or a file is not what it should be.
    pub(crate) fn table(&self, name: &str) -> PlanResult<BucketTable> {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(table) = tables.get(name) {
            return Ok(table.clone());
        }
        let spec = self.catalog.table(name).ok_or_else(|| fault("there is no such table"))?;
        let buckets = usize::try_from(self.catalog.buckets()).map_err(external)?;
        let table = BucketTable::open(&self.catalog, spec, buckets).map_err(external)?;
        tables.insert(name.to_owned(), table.clone());
        Ok(table)
    }
}

fn fault(what: &str) -> DataFusionError {
    DataFusionError::Plan(what.to_owned())
}

fn external(error: impl std::error::Error + Send + Sync + 'static) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// The longest plans of a boundary, in bytes: they go to every task. Public parts are in them.
const PLAN_BYTES_MAX: usize = 4 << 20;
