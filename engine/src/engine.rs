//! The street: from the text of a query to a released answer, in the order in which it happens.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::execution::context::SessionContext;
use datafusion::execution::session_state::SessionStateBuilder;
use ledger_adapter::charge::{Admission, ChargeRequest, Charged, ExtractStatus, Finality, Outcome};
use ledger_adapter::cost::Cost;
use ledger_adapter::digest::Digest;
use ledger_adapter::error::{Inactive, LedgerError};
use ledger_adapter::keys::Signer;
use ledger_adapter::ledger::Ledger;
use ledger_adapter::statement::{Intent, MechanismRecord, intent_commitment};
use tokio::sync::OwnedMutexGuard;

use crate::aggregate::exact::ExactAggregates;
use crate::aggregate::{self, Place};
use crate::answer::Answer;
use crate::asker::{Asker, Progress};
use crate::catalog::Catalog;
use crate::cluster::Cluster;
use crate::error::{Code, Error, IncidentId, Rejection, chain};
use crate::estimate;
use crate::noise::purse::Purse;
use crate::notes;
use crate::perturb::{self, NoisyAggregates};
use crate::privacy::plan::{PrivatePlan, analyse};
use crate::privacy::price::{PricedPlan, price};
use crate::privacy::relation::ContributionBounds;
use crate::publish::Papers;
use crate::repeats::{Question, Releases};
use crate::requests::Prepared;
use crate::scan::gate::{VerifiedScan, public_tables};
use crate::scan::public::{ROWS_MAX, bounded, settle};
use crate::scan::read::{read_by, read_of};
use crate::sql::bind::{bind, session};
use crate::sql::dialect::Dialect;
use crate::sql::options::{GroupSelection, Options};
use crate::sql::text::{ParsedQuery, Request, parse_request};

/// A question, and what may be spent on it.
#[derive(Clone, Debug)]
pub struct Query {
    /// One SELECT statement.
    pub text: String,
    /// Privacy loss that it may cost, from 0.001 to 10,000.
    pub epsilon: f64,
    /// Failure probability, above 0 and at most 0.01.
    pub delta: f64,
    /// Contribution bounds, where they differ from the policy's.
    pub bounds: ContributionBounds,
}

/// How an engine works.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Today, in days since 1970-01-01.
    pub day: u32,
    /// How final a charge must be before records are read.
    pub finality: Finality,
    /// Buckets that are computed at a time.
    pub threads: usize,
    /// Most memory, in bytes, of rows that are put aside because they are in no order of person;
    /// more of them go to temporary files. Without a number they stay in memory.
    pub memory: Option<usize>,
    /// Confidence of intervals, between 0 and 1.
    pub confidence: f64,
    /// How questions are spelt.
    pub dialect: Dialect,
}

/// Where the reasons of failures after the gate go; never to the analyst.
pub type IncidentLog = Box<dyn Fn(IncidentId, &str) + Send + Sync>;

/// Answers queries about one population. A clone shares all with it, views and prepared queries
/// too.
#[derive(Clone)]
pub struct Engine {
    catalog: Arc<Catalog>,
    pub(crate) session: SessionContext,
    ledger: Arc<dyn Ledger>,
    pub(crate) signer: Signer,
    pub(crate) settings: Settings,
    incidents: Arc<IncidentLog>,
    pub(crate) prepared: Arc<Prepared>,
    pub(crate) releases: Option<Releases>,
    pub(crate) cluster: Option<Cluster>,
    asker: Asker,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// What a query would cost, told before anything is charged.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Quote {
    /// What would be charged.
    pub cost: Cost,
    /// The noisy columns: name, standard deviation of the noise, clamp of one person, groups per
    /// person.
    pub columns: Vec<QuotedColumn>,
    /// What a reader should know.
    pub notes: Vec<String>,
}

/// One noisy column of a quote.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct QuotedColumn {
    /// The aggregate.
    pub name: String,
    /// Standard deviation of its noise.
    pub noise: f64,
    /// Least and greatest that one person may add to one group.
    pub clamp: (f64, f64),
    /// Most groups that one person counts in.
    pub groups_per_person: u64,
    /// Whether noise, clamp and groups are only the largest that a private choice may make them.
    pub is_chosen: bool,
    /// Keys of fewer persons than about this are not shown; `None` if keys are declared.
    pub threshold: Option<i64>,
}

impl Engine {
    /// An engine over `catalog`, which charges `ledger` and signs releases with `signer`.
    ///
    /// # Errors
    /// [`Error::Internal`] if a table cannot be registered.
    pub fn new(
        catalog: Catalog,
        ledger: Arc<dyn Ledger>,
        signer: Signer,
        settings: Settings,
        incidents: IncidentLog,
    ) -> Result<Self, Error> {
        let session = session(&catalog, settings.memory)?;
        let (catalog, incidents) = (Arc::new(catalog), Arc::new(incidents));
        let (prepared, releases, cluster) = (Arc::default(), None, None);
        Ok(Self {
            catalog,
            session,
            ledger,
            signer,
            settings,
            incidents,
            prepared,
            releases,
            cluster,
            asker: Asker::default(),
        })
    }

    /// The same engine with views and prepared queries of its own, of which there are none yet.
    ///
    /// # Errors
    /// As [`Engine::new`].
    pub fn apart(&self) -> Result<Self, Error> {
        let session = session(&self.catalog, self.settings.memory)?;
        Ok(Self { session, prepared: Arc::default(), ..self.clone() })
    }

    /// The same engine as one person asks it, with other settings.
    #[must_use]
    pub fn asked_by(&self, asker: Asker, settings: Settings) -> Self {
        Self { asker, settings, ..self.clone() }
    }

    /// How it works.
    pub const fn settings(&self) -> Settings {
        self.settings
    }

    /// Keeps what it releases in a directory, and answers the same question from there: the same
    /// plan over the same extracts at the same price costs nothing the second time.
    #[must_use]
    pub fn with_releases(mut self, directory: PathBuf) -> Self {
        self.releases = Some(Releases::at(directory));
        self
    }

    /// The tables that can be asked about.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Answers one query, or says why not.
    ///
    /// # Errors
    /// Before the gate: [`Error::Rejected`], [`Error::Exhausted`], [`Error::Untrusted`],
    /// [`Error::Ledger`], [`Error::Cluster`]; nothing is charged. After it: [`Error::Failed`]; the
    /// charge stands.
    ///
    /// # Privacy
    /// Neighbouring databases differ in all records of one person. What is released satisfies
    /// approximate zCDP with the (ρ, δ) that the account is charged.
    pub async fn answer(&self, query: &Query) -> Result<Answer, Error> {
        self.answer_parsed(self.parsed(query)?, query).await
    }

    pub(crate) async fn answer_parsed(
        &self,
        parsed: ParsedQuery,
        query: &Query,
    ) -> Result<Answer, Error> {
        let priced = self.planned(parsed, query).await?;
        self.check(&priced)?;
        if priced.plan.boundaries.is_empty() {
            return self.answer_from_public_tables(&priced).await;
        }
        let _turn = self.turn(&priced).await;
        if let Some(answer) = self.repeated(&priced) {
            return Ok(answer);
        }
        let cluster = self.cluster.as_ref();
        let settled = settle(&self.catalog, &priced, &self.session, cluster).await?;
        let (charged, intent, salt) = self.charge(&priced, priced.plan.digest)?;
        // ═════════════════════ the gate: errors are silent, and the charge stands ═════════════
        let scan = VerifiedScan::open(&self.catalog, &priced, &settled, &charged);
        let scan = self.past_gate(scan)?;
        let exact = self.aggregate(&priced, scan, &charged).await?;
        let (noisy, mechanisms, charged) = self.add_noise(&priced, exact, charged)?;
        let notes = notes::notes(&priced, &noisy);
        let estimates = self.estimate(&priced, noisy).await?;
        self.publish(&priced, estimates, charged, Papers { intent, salt, mechanisms, notes })
    }

    /// What a query would cost, and how noisy its columns would be. Nothing is charged or read.
    ///
    /// # Errors
    /// [`Error::Rejected`], as [`Engine::answer`].
    pub async fn quote(&self, query: &Query) -> Result<Quote, Error> {
        Self::quoted(self.plan(query).await?)
    }

    pub(crate) fn quoted(priced: PricedPlan) -> Result<Quote, Error> {
        let columns = notes::quoted(&priced)?;
        Ok(Quote { cost: priced.cost, columns, notes: notes::foretold(&priced) })
    }

    pub(crate) async fn plan(&self, query: &Query) -> Result<PricedPlan, Error> {
        self.planned(self.parsed(query)?, query).await
    }

    pub(crate) fn parsed(&self, query: &Query) -> Result<ParsedQuery, Error> {
        match parse_request(&query.text, self.settings.dialect)? {
            Request::Answer(parsed) => Ok(parsed),
            _ => Err(Rejection::new(Code::Statement, "only SELECT is answered")
                .hint("records are read-only; write a SELECT with an aggregate")
                .into()),
        }
    }

    /// The plan of a query; what it says of its privacy itself goes before what it is asked with.
    pub(crate) async fn planned(
        &self,
        parsed: ParsedQuery,
        query: &Query,
    ) -> Result<PricedPlan, Error> {
        let options = parsed.options.clone();
        let bounds = ContributionBounds {
            rows_per_person: options.rows_per_person.or(query.bounds.rows_per_person),
            groups_per_person: options.groups_per_person.or(query.bounds.groups_per_person),
            // A question may ask for more persons than the policy, not for fewer.
            persons_min: options.persons_min.unwrap_or(0).max(query.bounds.persons_min),
            sites_per_person: query.bounds.sites_per_person,
        };
        let bound = bind(parsed, &self.session).await?;
        let plan = analyse(bound, &self.catalog, bounds)?;
        self.check_options(&options, &plan)?;
        let epsilon = options.epsilon.unwrap_or(query.epsilon);
        if let Some(most) = self.asker.epsilon_max.filter(|most| epsilon > *most) {
            let reason = format!("epsilon {epsilon} is more than the {most} of your questions");
            return Err(Rejection::new(Code::Epsilon, reason)
                .hint(format!("ask with epsilon {most} or less"))
                .into());
        }
        price(plan, epsilon, options.delta.unwrap_or(query.delta))
    }

    fn check_options(&self, options: &Options, plan: &PrivatePlan) -> Result<(), Rejection> {
        if let Some(unit) = &options.unit {
            let name = unit.rsplit('.').next().unwrap_or(unit);
            let mut units = self.catalog.tables().filter_map(|table| table.unit());
            if !units.all(|unit| unit.eq_ignore_ascii_case(name)) {
                let reason = format!("the privacy unit is the person, not {unit}");
                return Err(Rejection::new(Code::Column, reason).at(name));
            }
        }
        let unknown = plan.boundaries.iter().any(|boundary| !boundary.is_declared);
        if options.selection == Some(GroupSelection::PublicGroups) && unknown {
            return Err(Rejection::new(Code::Unbounded, "the groups are not publicly known")
                .hint("name them: WHERE key IN (…), or join with a public table of keys"));
        }
        Ok(())
    }

    /// Waits until nobody else is asking the same question. The turn lasts as long as what is
    /// given, or as long as whoever asks keeps it.
    async fn turn(&self, priced: &PricedPlan) -> Option<OwnedMutexGuard<()>> {
        let turn = self.releases.as_ref()?.turn(&self.question(priced)?).await;
        let Some(kept) = &self.asker.turn else { return Some(turn) };
        kept.keep(turn);
        None
    }

    /// The release of the same question, if it was answered before and is not redacted since.
    pub(crate) fn repeated(&self, priced: &PricedPlan) -> Option<Answer> {
        let question = self.question(priced)?;
        let answer = self.releases.as_ref()?.find(&question, &self.signer.public())?;
        let query = answer.receipt.as_ref()?.intent.query;
        let outcome = self.ledger.outcome(query).ok()?;
        let need = self.settings.finality;
        let released = match outcome? {
            Outcome::Released(placed, _) => placed.finality >= need,
            _ => false,
        };
        released.then_some(answer)
    }

    pub(crate) fn question(&self, priced: &PricedPlan) -> Option<Question> {
        let inputs = self.catalog.extracts().iter().map(|extract| extract.root()).collect();
        Question::of(priced, inputs, self.catalog.account(), self.settings.confidence)
    }

    /// Every extract is active, and every file that will be read is as it was attested.
    pub(crate) fn check(&self, priced: &PricedPlan) -> Result<(), Error> {
        for extract in self.catalog.extracts() {
            let root = extract.root();
            let inactive = |why| Err(Error::Untrusted(LedgerError::Inactive { root, why }));
            match self.ledger.status(root)? {
                ExtractStatus::Active(_, last) if self.settings.day <= last => {}
                ExtractStatus::Active(..) => return inactive(Inactive::Expired),
                ExtractStatus::Superseded(_) => return inactive(Inactive::Superseded),
                ExtractStatus::Revoked => return inactive(Inactive::Revoked),
                ExtractStatus::Unknown => return inactive(Inactive::Unattested),
            }
        }
        let read = read_by(priced, &self.session)?;
        for (e, extract) in self.catalog.extracts().iter().enumerate() {
            extract.check_tables(&read_of(&self.catalog, e, priced, &read))?;
        }
        Ok(())
    }

    /// Charges a plan, under the digest that it is known by: the population's account, and that of
    /// whoever asks, if they have one. Here a question passes its gate, if nobody took it back.
    pub(crate) fn charge(
        &self,
        priced: &PricedPlan,
        plan: Digest,
    ) -> Result<(Charged, Intent, Digest), Error> {
        let intent = Intent {
            version: 1,
            query: Digest::random()?,
            sql: priced.plan.text.clone(),
            plan,
            engine: ENGINE.to_owned(),
            inputs: self.catalog.extracts().iter().map(|extract| extract.root()).collect(),
            cost: priced.cost,
            account: self.catalog.account(),
            mechanisms: priced.reserved.clone(),
            day: self.settings.day,
        };
        let salt = Digest::random()?;
        let request = ChargeRequest {
            query: intent.query,
            items: std::iter::once(intent.account)
                .chain(self.asker.account)
                .map(|account| (account, intent.cost))
                .collect(),
            intent: intent_commitment(&salt, &intent)?,
            inputs: intent.inputs.clone(),
            day: intent.day,
        };
        if !self.asker.stop.pass() {
            return Err(Error::Stopped);
        }
        match self.ledger.charge(&request, self.settings.finality)? {
            Admission::Granted(charged) => Ok((charged, intent, salt)),
            Admission::Repeated(_) => Err(Error::Internal("a random query name came twice")),
        }
    }

    async fn aggregate(
        &self,
        priced: &PricedPlan,
        scan: VerifiedScan,
        charged: &Charged,
    ) -> Result<Vec<ExactAggregates>, Error> {
        let place = match &self.cluster {
            Some(cluster) => Place::Cluster(cluster, &self.catalog),
            None => Place::Here(self.settings.threads),
        };
        let session = match &self.asker.progress {
            Some(progress) => {
                progress.begin(scan.buckets() * priced.plan.boundaries.len());
                watched(&self.session, progress)
            }
            None => self.session.clone(),
        };
        let exact = aggregate::run(priced, scan, &session, charged.query(), place).await;
        self.past_gate(exact)
    }

    fn add_noise(
        &self,
        priced: &PricedPlan,
        exact: Vec<ExactAggregates>,
        charged: Charged,
    ) -> Result<(Vec<NoisyAggregates>, Vec<MechanismRecord>, Charged), Error> {
        let mut purse = Purse::open(charged);
        let drawn = perturb::run(priced, exact, &mut purse, self.settings.confidence);
        let (noisy, mechanisms) = self.past_gate(drawn)?;
        Ok((noisy, mechanisms, self.past_gate(purse.close())?))
    }

    pub(crate) async fn estimate(
        &self,
        priced: &PricedPlan,
        noisy: Vec<NoisyAggregates>,
    ) -> Result<Answer, Error> {
        let tables = self.past_gate(public_tables(&self.catalog, priced))?;
        let confidence = self.settings.confidence;
        // What was paid for is given, however much it is.
        let terms = (confidence, usize::MAX);
        self.past_gate(estimate::finish(priced, noisy, tables, &self.session, terms).await)
    }

    async fn answer_from_public_tables(&self, priced: &PricedPlan) -> Result<Answer, Error> {
        let tables = public_tables(&self.catalog, priced)?;
        let confidence = self.settings.confidence;
        let (session, terms) = (bounded(&self.session)?, (confidence, ROWS_MAX));
        let answer = estimate::finish(priced, vec![], tables, &session, terms).await;
        let mut answer =
            answer.map_err(|error| Rejection::new(Code::Type, error.strip_backtrace()))?;
        answer.notes.push("only public tables were read; nothing was charged".to_owned());
        Ok(answer)
    }

    /// Past the gate an error says nothing but a name; the reason goes to the operator's log.
    pub(crate) fn past_gate<T, E: std::error::Error>(
        &self,
        result: Result<T, E>,
    ) -> Result<T, Error> {
        result.map_err(|error| Error::Failed(self.incident(&error)))
    }

    /// Gives a failure a name, and tells the operator's log its reason.
    pub(crate) fn incident(&self, error: &dyn std::error::Error) -> IncidentId {
        let mut bytes = [0; 8];
        // Without entropy the incident is still logged, under the name 0.
        let _ = getrandom::fill(&mut bytes);
        let incident = IncidentId(u64::from_be_bytes(bytes));
        (self.incidents)(incident, &chain(error));
        incident
    }

    /// The ledger that it charges.
    pub(crate) const fn ledger(&self) -> &Arc<dyn Ledger> {
        &self.ledger
    }

    /// Whether questions are in the dialect of OHDSI.
    pub(crate) fn is_ohdsi(&self) -> bool {
        self.settings.dialect == Dialect::Ohdsi
    }
}

/// A session whose operators tell how far they are.
fn watched(session: &SessionContext, progress: &Progress) -> SessionContext {
    let config = session.copied_config().with_extension(Arc::new(progress.clone()));
    // The tables are shared, and would be gone if a catalog were made anew.
    let config = config.with_create_default_catalog_and_schema(false);
    let state = SessionStateBuilder::new_from_existing(session.state()).with_config(config);
    SessionContext::new_with_state(state.build())
}

/// Name and version of this engine, in receipts.
const ENGINE: &str = concat!("graunt ", env!("CARGO_PKG_VERSION"));
