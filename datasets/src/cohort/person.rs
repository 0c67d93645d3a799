//! One person before any record: who they are, what they have, where and when they are seen.

use super::calendar::{Day, WINDOW_END, WINDOW_START, WINDOW_YEARS, YEAR_DAYS, age_on};
use super::draw::{Draw, Purpose, whole};
use super::model::{BURDEN, Factor, Model, at};
use super::parameters::{
    BODY_MASS, CHOLESTEROL_ON_RECORD, CHRONIC, Chronic, DEATHS_PER_100_000, HYPERTENSION_AWARE,
    HYPERTENSION_TREATED, KIDNEY_ON_RECORD, Sex, TOTAL_CHOLESTEROL, prevalence_percent,
};
use super::places::{CODES_PER_GROUP, STATES, location_id};

/// A person, as they are and not as anyone recorded them.
#[derive(Clone, Debug)]
pub(super) struct Person {
    /// Index in the cohort, from 0.
    pub(super) index: u64,
    pub(super) sex: Sex,
    pub(super) birth: Day,
    /// Age in years on the first day of the window.
    pub(super) age: usize,
    /// Fifth of income, poorest 0.
    pub(super) quintile: usize,
    pub(super) location_id: i64,
    pub(super) race: i64,
    pub(super) ethnicity: i64,
    pub(super) smoker: bool,
    /// Standard scores of the quantities in [`Quantity`]'s order.
    pub(super) scores: [f64; 6],
    /// By [`Chronic`]: the person has it.
    pub(super) has: [bool; CHRONIC.len()],
    /// By [`Chronic`]: it is on record.
    pub(super) on_record: [bool; CHRONIC.len()],
    /// Hypertension, or another condition on record, is treated with drugs.
    pub(super) treated: [bool; CHRONIC.len()],
    /// Where and when the person is observed, in order of day.
    pub(super) stays: Vec<Stay>,
    /// Day of death, where that is within the window.
    pub(super) death: Option<Day>,
    /// Deaths expected in the window at the published rates, until death or the window's end.
    pub(super) deaths_expected: f64,
    /// The person's liability to office, hospital and emergency visits, of mean 1 each.
    pub(super) frailties: [f64; 3],
}

/// Which standard score belongs to which quantity.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Quantity {
    TotalCholesterol,
    Hdl,
    BodyMass,
    Systolic,
    Diastolic,
    Pulse,
}

/// One span of observation at one site.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Stay {
    /// Index of the site, from 0.
    pub(super) site: usize,
    /// First day.
    pub(super) start: Day,
    /// Last day, included.
    pub(super) end: Day,
}

impl Stay {
    /// Days, both ends included.
    pub(super) fn days(&self) -> i32 {
        self.end - self.start + 1
    }
}

impl Person {
    /// The person of that index: a function of the seed, the index and the number of sites.
    pub(super) fn draw(model: &Model, index: u64) -> (Self, Draw) {
        let mut draw = Draw::new(model.seed, Purpose::Person, index);
        let group = draw.pick_cumulative(&model.pyramid);
        let sex = if group < 18 { Sex::Female } else { Sex::Male };
        let birth = WINDOW_START - draw_age_days(group % 18, &mut draw);
        let age = age_on(WINDOW_START, birth);
        let quintile = draw.below(5);
        let home = draw.pick_cumulative(&model.homes);
        let state = if draw.chance(0.85) { home % STATES } else { draw.below(STATES) };
        let mut person = Self {
            index,
            sex,
            birth,
            age,
            quintile,
            location_id: location_id(state, quintile, draw.below(CODES_PER_GROUP)),
            // 2020 census shares, nearly; unknown is left as concept 0, as sources do.
            race: [8_527, 8_516, 8_515, 0][draw.pick(&[0.62, 0.13, 0.06, 0.19])],
            ethnicity: if draw.chance(0.185) { 38_003_563 } else { 38_003_564 },
            smoker: draw.chance(model.smoker(sex, age, quintile)),
            scores: [0.0; 6],
            has: [false; CHRONIC.len()],
            on_record: [false; CHRONIC.len()],
            treated: [false; CHRONIC.len()],
            stays: Vec::new(),
            death: None,
            deaths_expected: 0.0,
            frailties: [0.0; 3],
        };
        person.draw_health(model, &mut draw);
        person.draw_death(model, &mut draw);
        person.draw_stays(model, home, &mut draw);
        (person, draw)
    }

    /// Whether the person has a condition.
    pub(super) fn has(&self, chronic: Chronic) -> bool {
        self.has[chronic as usize]
    }

    /// Row number of the person: the index and one.
    pub(super) fn person_id(&self) -> i64 {
        i64::try_from(self.index).unwrap_or(0) + 1
    }

    /// Days under observation.
    pub(super) fn days_observed(&self) -> i32 {
        self.stays.iter().map(Stay::days).sum()
    }

    /// Sites where the person is observed, each once, in order of first day.
    pub(super) fn sites(&self) -> Vec<usize> {
        let mut sites: Vec<usize> = Vec::new();
        for stay in &self.stays {
            if !sites.contains(&stay.site) {
                sites.push(stay.site);
            }
        }
        sites
    }

    /// Conditions that raise mortality and visits, against the number expected at the same sex and
    /// age, as a factor of mean 1.
    pub(super) fn burden(&self, model: &Model, weight: f64) -> f64 {
        let count = BURDEN.iter().filter(|chronic| self.has(**chronic)).count();
        (1.0 + weight * count as f64) / (1.0 + weight * at(&model.burden, self.sex, self.age))
    }

    fn draw_health(&mut self, model: &Model, draw: &mut Draw) {
        self.scores = std::array::from_fn(|_| draw.normal());
        let body_mass = self.amount(Quantity::BodyMass);
        self.has[Chronic::Obesity as usize] = self.age >= 18 && body_mass >= 30.0;
        let cholesterol = self.amount(Quantity::TotalCholesterol);
        self.has[Chronic::Cholesterol as usize] = self.age >= 20 && cholesterol >= 6.2;
        for chronic in CHRONIC.into_iter().skip(2) {
            let chance =
                model.chance(chronic, self.sex, self.age, self.quintile, |factor| match factor {
                    Factor::Smoker => self.smoker,
                    Factor::Condition(other) => self.has(other),
                });
            self.has[chronic as usize] = draw.chance(chance);
        }
        for chronic in CHRONIC {
            // Shares on record and under treatment; those without a constant are assumptions.
            let (known, treated) = match chronic {
                Chronic::Hypertension => (HYPERTENSION_AWARE, HYPERTENSION_TREATED),
                Chronic::Kidney => (KIDNEY_ON_RECORD, 0.0),
                Chronic::Cholesterol => (CHOLESTEROL_ON_RECORD, 0.4),
                Chronic::Obesity => (0.5, 0.0),
                Chronic::Diabetes => (1.0, 0.85),
                Chronic::Depression => (1.0, 0.4),
                Chronic::Copd | Chronic::Asthma => (1.0, 0.6),
            };
            let point = draw.uniform();
            self.on_record[chronic as usize] = self.has(chronic) && point < known;
            self.treated[chronic as usize] = self.has(chronic) && point < treated;
        }
        self.frailties = [draw.frailty(0.9949), draw.frailty(0.3710), draw.frailty(0.3783)];
        self.correlate_blood_pressure(draw);
    }

    /// Ties blood pressure to hypertension without changing its mean or spread by sex and age:
    /// `a (H - p) / sqrt(p (1 - p)) + sqrt(1 - a^2) z`. The size of the tie is an assumption.
    fn correlate_blood_pressure(&mut self, draw: &mut Draw) {
        const TIE: f64 = 0.45;
        let share = prevalence_percent(Chronic::Hypertension, self.sex, self.age) / 100.0;
        let systolic = draw.normal();
        let diastolic = 0.6 * systolic + 0.8 * draw.normal();
        for (quantity, own) in [(Quantity::Systolic, systolic), (Quantity::Diastolic, diastolic)] {
            self.scores[quantity as usize] = if share > 0.0 {
                let has = f64::from(u8::from(self.has(Chronic::Hypertension)));
                let tied = (has - share) / (share * (1.0 - share)).sqrt();
                TIE * tied + (1.0 - TIE * TIE).sqrt() * own
            } else {
                own
            };
        }
    }

    /// Body mass index or cholesterol at the start of the window.
    fn amount(&self, quantity: Quantity) -> f64 {
        let table = if quantity == Quantity::BodyMass { &BODY_MASS } else { &TOTAL_CHOLESTEROL };
        let (mu, sigma) = table.at(self.sex, self.age);
        (mu + sigma * self.scores[quantity as usize]).exp()
    }

    fn draw_death(&mut self, model: &Model, draw: &mut Draw) {
        let factor = self.burden(model, 0.25);
        for year in 0..WINDOW_YEARS {
            let from = WINDOW_START + whole_days(f64::from(year) * YEAR_DAYS);
            let band = (age_on(from, self.birth) / 5).min(17);
            let rate = DEATHS_PER_100_000[self.sex as usize][band] / 100_000.0;
            let wait = draw.exponential() / (rate * factor);
            if wait < 1.0 {
                self.deaths_expected += rate * wait;
                self.death = Some((from + whole_days(wait * YEAR_DAYS)).min(WINDOW_END));
                return;
            }
            self.deaths_expected += rate;
        }
    }

    /// Entry, exit, a gap, and moves between sites. The shares are assumptions: observation that
    /// starts late and stops early is in every real source.
    fn draw_stays(&mut self, model: &Model, home: usize, draw: &mut Draw) {
        let last = self.death.unwrap_or(WINDOW_END);
        let late = !draw.chance(0.7);
        let entry = draw.between(WINDOW_START, WINDOW_END - 90);
        let start = if late && entry < last { entry } else { WINDOW_START };
        let lapse = whole_days(draw.exponential() / 0.05 * YEAR_DAYS);
        let end = last.min(start.saturating_add(lapse.max(30)));
        let mut spans = vec![(start, end)];
        let length = draw.between(30, 365);
        if draw.chance(0.15) && end - start > 600 {
            let from = draw.between(start + 60, end - 60 - length);
            spans = vec![(start, from - 1), (from + length, end)];
        }
        let sites = draw_sites(model, home, draw);
        let shares: Vec<f64> = sites.iter().skip(1).map(|_| draw.beta(2.0, 2.0)).collect();
        self.stays = split(&spans, &sites, shares);
    }
}

/// The sites of a person: a tenth are seen at more than one.
fn draw_sites(model: &Model, home: usize, draw: &mut Draw) -> Vec<usize> {
    let count = [1, 2, 3][draw.pick(&[0.9, 0.085, 0.015])].min(model.sites);
    let mut sites = vec![home];
    while sites.len() < count {
        let next = draw.below(model.sites);
        if !sites.contains(&next) {
            sites.push(next);
        }
    }
    sites
}

/// Cuts the spans at the shares of the whole, one site after the other; so that no day of a person
/// is observed at two sites, and person-time adds up over all sites.
fn split(spans: &[(Day, Day)], sites: &[usize], mut shares: Vec<f64>) -> Vec<Stay> {
    shares.sort_by(f64::total_cmp);
    let (first, last) = (spans[0].0, spans[spans.len() - 1].1);
    let cut_at = |share: f64| first + whole_days(share * f64::from(last - first));
    let mut stays = Vec::new();
    let mut from = first;
    for (at, site) in sites.iter().enumerate() {
        let upto = shares.get(at).map_or(last, |share| cut_at(*share));
        for &(start, end) in spans {
            let (start, end) = (start.max(from), end.min(upto));
            if start <= end {
                stays.push(Stay { site: *site, start, end });
            }
        }
        from = upto + 1;
    }
    stays
}

fn draw_age_days(band: usize, draw: &mut Draw) -> Day {
    // Ages above 85 fall off with a mean of 4.5 years, and end at 109: assumption.
    let years = if band == 17 {
        85.0 + (4.5 * draw.exponential()).min(24.0)
    } else {
        5.0 * (band as f64 + draw.uniform())
    };
    whole_days(years * YEAR_DAYS)
}

/// Whole days, of a span that is known to be short.
pub(super) fn whole_days(days: f64) -> Day {
    Day::try_from(whole(days)).unwrap_or(Day::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::{Stay, split};

    #[test]
    fn stays_never_overlap_and_lose_no_day() {
        let spans = [(0, 99), (200, 299)];
        let stays = split(&spans, &[4, 7, 2], vec![0.9, 0.2]);
        assert_eq!(
            stays,
            [
                Stay { site: 4, start: 0, end: 59 },
                Stay { site: 7, start: 60, end: 99 },
                Stay { site: 7, start: 200, end: 269 },
                Stay { site: 2, start: 270, end: 299 },
            ]
        );
        assert_eq!(stays.iter().map(Stay::days).sum::<i32>(), 200);
    }
}
