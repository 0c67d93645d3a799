//! Our operators and functions as bytes, for DataFusion's own encoding of plans.

use std::sync::Arc;

use ballista_core::serde::BallistaPhysicalExtensionCodec;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::ScalarUDF;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use prost::Message;

use crate::cluster::ticket::TicketExec;
use crate::cluster::work::{Extracts, Opened, Work};
use crate::privacy::functions::Own;
use crate::scan::leaf::{BucketScan, Told};

/// For the plan of a bucket: leaves over records, and our functions.
#[derive(Debug, Default)]
pub(crate) struct PlanCodec {
    /// What leaves are decoded over; without it they are encoded only.
    opened: Option<Arc<Opened>>,
}

impl PlanCodec {
    /// Decodes leaves over these extracts.
    pub(crate) fn over(opened: Arc<Opened>) -> Self {
        Self { opened: Some(opened) }
    }
}

impl PhysicalExtensionCodec for PlanCodec {
    fn try_decode(
        &self,
        bytes: &[u8],
        _: &[Arc<dyn ExecutionPlan>],
        _: &TaskContext,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let opened = self.opened.as_ref().ok_or_else(|| unknown("leaf"))?;
        let told: Told = serde_json::from_slice(bytes).map_err(|_| unknown("leaf"))?;
        let scan = BucketScan::new(opened.table(&told.table)?, told.columns)?;
        if told.dictionaries.is_empty() {
            return Ok(Arc::new(scan));
        }
        // The coordinator asks for them where they can be had, and so they can be had here.
        scan.with_dictionaries(&told.dictionaries)?.ok_or_else(|| unknown("dictionary"))
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        bytes: &mut Vec<u8>,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> PlanResult<()> {
        let scan = node.downcast_ref::<BucketScan>().ok_or_else(|| unknown(node.name()))?;
        written(&scan.told(), bytes)
    }

    fn try_decode_udf(&self, name: &str, bytes: &[u8]) -> PlanResult<Arc<ScalarUDF>> {
        let own: Own = serde_json::from_slice(bytes).map_err(|_| unknown(name))?;
        Ok(Arc::new(own.function()))
    }

    fn try_encode_udf(&self, function: &ScalarUDF, bytes: &mut Vec<u8>) -> PlanResult<()> {
        // What is not ours goes by its name.
        Own::of(function).map_or(Ok(()), |own| written(&own, bytes))
    }
}

/// For the stages of a cluster: tickets, and what Ballista puts around them.
#[derive(Debug, Default)]
pub(crate) struct StageCodec {
    ballista: BallistaPhysicalExtensionCodec,
    extracts: Arc<Extracts>,
}

impl PhysicalExtensionCodec for StageCodec {
    fn try_decode(
        &self,
        bytes: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        context: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let Some(bytes) = bytes.strip_prefix(TICKETS) else {
            return self.ballista.try_decode(bytes, inputs, context, converter);
        };
        let work = Work::decode(bytes).map_err(|_| unknown("stage"))?;
        let [tickets] = inputs else { return Err(unknown("stage")) };
        let (tickets, extracts) = (Arc::clone(tickets), Arc::clone(&self.extracts));
        Ok(Arc::new(TicketExec::new(tickets, Arc::new(work), extracts)))
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        bytes: &mut Vec<u8>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> PlanResult<()> {
        let Some(tickets) = node.downcast_ref::<TicketExec>() else {
            return self.ballista.try_encode(node, bytes, converter);
        };
        bytes.extend_from_slice(TICKETS);
        bytes.extend(tickets.work().encode_to_vec());
        Ok(())
    }
}

fn written(value: &impl serde::Serialize, bytes: &mut Vec<u8>) -> PlanResult<()> {
    let written = serde_json::to_writer(bytes, value);
    written.map_err(|error| DataFusionError::External(Box::new(error)))
}

fn unknown(what: &str) -> DataFusionError {
    DataFusionError::Plan(format!("{what} has no place in a cluster"))
}

/// Begins the bytes of tickets; no message of Ballista's begins so.
const TICKETS: &[u8] = b"\xffgraunt tickets 1\n";
