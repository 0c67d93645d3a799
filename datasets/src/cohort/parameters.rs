//! The published figures that a cohort is drawn from.
//!
//! Each constant says where it comes from; what is an assumption of ours says that it is one.
//! Tables by sex hold women first, then men.

/// Sex as registered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sex {
    /// Women and girls.
    Female,
    /// Men and boys.
    Male,
}

/// The long-lasting conditions that are drawn person by person.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Chronic {
    /// Body mass index of 30 or more at 18 or older; follows from the index.
    Obesity,
    /// Total cholesterol of 6.2 mmol/L or more at 20 or older; follows from the cholesterol.
    Cholesterol,
    /// Depressive disorder.
    Depression,
    /// Diabetes, diagnosed.
    Diabetes,
    /// Hypertension: 130/80 mmHg or more, or on medication, whether or not it is known.
    Hypertension,
    /// Chronic obstructive pulmonary disease, diagnosed.
    Copd,
    /// Chronic kidney disease, stages 1 to 4, whether or not it is known.
    Kidney,
    /// Asthma, current.
    Asthma,
}

/// Every long-lasting condition, in the order of the enum.
pub(super) const CHRONIC: [Chronic; 8] = [
    Chronic::Obesity,
    Chronic::Cholesterol,
    Chronic::Depression,
    Chronic::Diabetes,
    Chronic::Hypertension,
    Chronic::Copd,
    Chronic::Kidney,
    Chronic::Asthma,
];

/// Figures by age in eight groups from 0, 18, 30, 40, 50, 60, 70 and 80 years, for both sexes.
pub(super) type BySexAge = [[f64; 8]; 2];

/// A quantity that is log-normal within sex and age group.
#[derive(Debug)]
pub(super) struct LogNormal {
    /// Mean of the natural logarithm.
    pub(super) mu: BySexAge,
    /// Standard deviation of the natural logarithm.
    pub(super) sigma: BySexAge,
}

impl LogNormal {
    /// Mean and standard deviation of the logarithm.
    pub(super) fn at(&self, sex: Sex, age: usize) -> (f64, f64) {
        (by_age(&self.mu, sex, age), by_age(&self.sigma, sex, age))
    }
}

/// The figure for that sex and age in years.
pub(super) fn by_age(table: &BySexAge, sex: Sex, age: usize) -> f64 {
    let group = [18, 30, 40, 50, 60, 70, 80].iter().filter(|&&from| age >= from).count();
    table[sex as usize][group]
}

/// Share of persons with a condition, in percent, at that sex and age in years.
///
/// Obesity and cholesterol follow from their quantities and have no figure here: 0.
pub(super) fn prevalence_percent(chronic: Chronic, sex: Sex, age: usize) -> f64 {
    match chronic {
        Chronic::Obesity | Chronic::Cholesterol => 0.0,
        // Lee et al., MMWR 2023;72(24): BRFSS 2020, lifetime diagnosis, women 24.0 and men 13.3.
        // Children: assumption.
        Chronic::Depression if age < 18 => 3.0,
        Chronic::Depression => [24.0, 13.3][sex as usize],
        Chronic::Diabetes => by_age(&DIABETES_PERCENT, sex, age),
        Chronic::Hypertension => hypertension_percent(sex, age),
        Chronic::Copd => copd_percent(sex, age),
        // CDC, Chronic Kidney Disease in the United States 2023. Children: assumption.
        Chronic::Kidney => match age {
            0..18 => 0.2,
            18..45 => 6.0,
            45..65 => 12.0,
            _ => 34.0,
        },
        // MMWR QuickStats, 26 June 2020: NHIS 2017-2018, adults. Children: assumption.
        Chronic::Asthma if age < 18 => 7.0,
        Chronic::Asthma => [9.7, 5.5][sex as usize],
    }
}

/// NCHS Data Brief 511, NHANES August 2021 - August 2023; at 60 and over both sexes together.
fn hypertension_percent(sex: Sex, age: usize) -> f64 {
    match age {
        0..18 => 0.0,
        18..40 => [16.4, 30.0][sex as usize],
        40..60 => [49.0, 55.9][sex as usize],
        _ => 71.6,
    }
}

/// NCHS Data Brief 529, NHIS 2023: 0.4 % at 18-24, 10.5 % at 75 and over, women 4.1 and men 3.4
/// of 3.8 %; the ages between are our interpolation, such that the total holds.
fn copd_percent(sex: Sex, age: usize) -> f64 {
    let both = match age {
        0..18 => 0.0,
        18..25 => 0.4,
        25..35 => 0.8,
        35..45 => 1.5,
        45..55 => 3.0,
        55..65 => 5.8,
        65..75 => 8.8,
        _ => 10.5,
    };
    // The oldest figure is for both sexes together.
    if age >= 75 { both } else { both * [4.1 / 3.75, 3.4 / 3.75][sex as usize] }
}

/// UN World Population Prospects 2022, United States 2019: percent by five-year age group, the
/// last from 85.
pub(super) const PYRAMID_PERCENT: [f64; 18] = [
    5.9371, 6.1908, 6.608, 6.5491, 6.5422, 7.0014, 6.8324, 6.6693, 6.1902, 6.3544, 6.3849, 6.6846,
    6.2637, 5.2348, 4.0946, 2.7737, 1.8303, 1.8587,
];

/// Share of women by five-year age group: Statistics Denmark, 1 January 2013.
pub(super) const FEMALE_SHARE: [f64; 18] = [
    0.4866, 0.4884, 0.4884, 0.4869, 0.491, 0.4949, 0.498, 0.4996, 0.4959, 0.4941, 0.4969, 0.5006,
    0.5053, 0.5084, 0.523, 0.5484, 0.5861, 0.6824,
];

/// Deaths per 100,000 person-years by sex and five-year age group: Puerto Rico Department of
/// Health, 2018.
pub(super) const DEATHS_PER_100_000: [[f64; 18]; 2] = [
    [
        111.8, 4.9, 16.4, 17.8, 36.9, 25.7, 83.9, 93.4, 130.2, 186.4, 291.2, 375.9, 582.6, 944.5,
        1389.7, 2320.9, 3975.2, 9477.2,
    ],
    [
        149.0, 4.8, 9.5, 66.2, 203.7, 231.0, 296.5, 319.1, 404.5, 451.7, 615.3, 923.4, 1270.0,
        1815.3, 2401.1, 3705.4, 5730.9, 11213.1,
    ],
];

/// Diagnosed diabetes, percent: NHANES 2009-2012, weighted.
pub(super) const DIABETES_PERCENT: BySexAge = [
    [0.5995, 1.5296, 3.134, 7.2431, 13.4957, 20.9054, 22.1369, 21.0697],
    [0.2829, 0.8057, 3.1641, 8.6332, 15.635, 23.1974, 27.8761, 23.4721],
];

/// Current smokers, percent: NHANES 2009-2012, weighted. Children: taken as none.
pub(super) const SMOKER_PERCENT: BySexAge = [
    [0.0, 18.5974, 20.2358, 22.817, 18.3806, 10.1011, 8.2246, 1.3977],
    [0.0, 23.6197, 25.4008, 24.1359, 24.3408, 20.1784, 9.7785, 5.1714],
];

/// Current smokers by fifth of income, poorest first, percent: NHANES 2009-2012, adults 20+.
pub(super) const SMOKER_BY_INCOME: [f64; 5] = [34.7075, 28.7988, 19.5661, 19.5759, 9.7068];

/// Diabetes by fifth of income, poorest first, percent: NHANES 2009-2012, adults 20+.
pub(super) const DIABETES_BY_INCOME: [f64; 5] = [11.2863, 12.7585, 13.6743, 10.0499, 8.2167];

/// Odds ratios of pairs: NHANES 2009-2012, adults 20+, weighted; taken as holding within sex and
/// age, which is an assumption.
pub(super) mod odds {
    pub(in super::super) const DEPRESSION_SMOKER: f64 = 2.0065;
    pub(in super::super) const DEPRESSION_OBESITY: f64 = 1.3290;
    pub(in super::super) const DIABETES_OBESITY: f64 = 3.1371;
    pub(in super::super) const DIABETES_DEPRESSION: f64 = 1.4794;
    pub(in super::super) const HYPERTENSION_OBESITY: f64 = 1.6768;
    pub(in super::super) const HYPERTENSION_DIABETES: f64 = 1.9567;
    /// Assumption: no figure at hand.
    pub(in super::super) const COPD_SMOKER: f64 = 4.0;
    /// Assumption: no figure at hand.
    pub(in super::super) const KIDNEY_DIABETES: f64 = 2.0;
    /// Assumption: no figure at hand.
    pub(in super::super) const KIDNEY_HYPERTENSION: f64 = 2.0;
    /// Assumption: no figure at hand.
    pub(in super::super) const ASTHMA_OBESITY: f64 = 1.5;
}

/// Share of those with hypertension who know it, and who are treated: NCHS Data Brief 511.
pub(super) const HYPERTENSION_AWARE: f64 = 0.592;
/// See [`HYPERTENSION_AWARE`].
pub(super) const HYPERTENSION_TREATED: f64 = 0.512;
/// Share of kidney disease that is on record. Assumption; CDC 2023 says that one in ten knows.
pub(super) const KIDNEY_ON_RECORD: f64 = 0.25;
/// Share of high cholesterol that is on record. Assumption.
pub(super) const CHOLESTEROL_ON_RECORD: f64 = 0.6;

/// Visits per year at 66 and over, and size of the negative binomial: NMES 1988 (Deb and Trivedi,
/// J Appl Econometrics 1997;12:313), maximum likelihood over 4,406 persons.
pub(super) const OFFICE: (f64, f64) = (5.773, 0.9949);
/// Hospital stays; see [`OFFICE`].
pub(super) const HOSPITAL: (f64, f64) = (0.2960, 0.3710);
/// Emergency visits; see [`OFFICE`].
pub(super) const EMERGENCY: (f64, f64) = (0.2635, 0.3783);

/// Office visits at younger ages, relative to 66 and over: assumption, such that all ages together
/// come to 3.2 a year (National Ambulatory Medical Care Survey 2019).
pub(super) fn visits_relative(age: usize) -> f64 {
    match age {
        0..18 => 0.40,
        18..45 => 0.38,
        45..66 => 0.62,
        _ => 1.0,
    }
}

/// Influenza: harmonics of the logarithm of weekly admissions, `t` in days since 1 July, as
/// `cos h, sin h, cos 2h, sin 2h` with `h = 2 pi t / 365.25`: CDC FluSight, 2022-2026.
pub(super) const FLU_HARMONICS: [f64; 4] = [-1.66935, -0.806_151, 0.368_619, 0.144_611];
/// Size of the negative binomial of weekly admissions about the harmonics: CDC FluSight.
pub(super) const FLU_SIZE: f64 = 3.051;
/// Influenza that is seen by a doctor, episodes per person-year: 8.3 % of persons fall ill a year
/// (Tokars et al., Clin Infect Dis 2018;66:1511); that half of them see a doctor is an assumption.
pub(super) const FLU_PER_YEAR: f64 = 0.083 * 0.5;

/// Total cholesterol, mmol/L: NHANES 2009-2012, weighted.
pub(super) static TOTAL_CHOLESTEROL: LogNormal = LogNormal {
    mu: [
        [1.4062, 1.4969, 1.567, 1.6374, 1.6942, 1.6863, 1.6294, 1.624],
        [1.382, 1.4931, 1.6031, 1.652, 1.6257, 1.5691, 1.5137, 1.4543],
    ],
    sigma: [
        [0.1692, 0.1944, 0.1943, 0.1791, 0.2051, 0.1949, 0.2108, 0.2177],
        [0.1749, 0.1973, 0.1933, 0.1957, 0.2148, 0.2151, 0.2212, 0.2138],
    ],
};
/// High-density cholesterol, mmol/L: NHANES 2009-2012, weighted.
pub(super) static HDL: LogNormal = LogNormal {
    mu: [
        [0.2873, 0.3279, 0.3303, 0.369, 0.4052, 0.3933, 0.379, 0.4043],
        [0.2817, 0.1789, 0.1385, 0.1474, 0.169, 0.214, 0.2136, 0.2188],
    ],
    sigma: [
        [0.2243, 0.2479, 0.2622, 0.2856, 0.2783, 0.2765, 0.2765, 0.2749],
        [0.2349, 0.2576, 0.2686, 0.276, 0.2678, 0.2977, 0.2875, 0.2596],
    ],
};
/// Body mass index, kg/m2: NHANES 2009-2012, weighted.
pub(super) static BODY_MASS: LogNormal = LogNormal {
    mu: [
        [2.9622, 3.2687, 3.3348, 3.3375, 3.3535, 3.3716, 3.3798, 3.2545],
        [2.9514, 3.264, 3.3428, 3.3588, 3.3615, 3.3503, 3.34, 3.2847],
    ],
    sigma: [
        [0.2389, 0.248, 0.2427, 0.2484, 0.2333, 0.2195, 0.235, 0.1914],
        [0.2305, 0.2065, 0.1991, 0.1826, 0.1891, 0.1959, 0.1604, 0.1653],
    ],
};
/// Systolic blood pressure, mmHg: NHANES 2009-2012, weighted.
pub(super) static SYSTOLIC: LogNormal = LogNormal {
    mu: [
        [4.6334, 4.6836, 4.7017, 4.7419, 4.7933, 4.8414, 4.8829, 4.936],
        [4.6638, 4.762, 4.7757, 4.7873, 4.8267, 4.8347, 4.8593, 4.89],
    ],
    sigma: [
        [0.0901, 0.0943, 0.1121, 0.1232, 0.1323, 0.1399, 0.1433, 0.1572],
        [0.1007, 0.0911, 0.1014, 0.1112, 0.1299, 0.1416, 0.142, 0.1626],
    ],
};
/// Diastolic blood pressure, mmHg: NHANES 2009-2012, weighted.
pub(super) static DIASTOLIC: LogNormal = LogNormal {
    mu: [
        [4.0179, 4.1566, 4.2225, 4.2622, 4.2708, 4.2189, 4.1351, 4.1022],
        [3.97, 4.1981, 4.2868, 4.3089, 4.3213, 4.2398, 4.161, 4.0893],
    ],
    sigma: [
        [0.2677, 0.1808, 0.1732, 0.1487, 0.1532, 0.2381, 0.2338, 0.2196],
        [0.3203, 0.1829, 0.16, 0.159, 0.1529, 0.1899, 0.2169, 0.2461],
    ],
};
/// Pulse, beats per minute: NHANES 2009-2012, weighted.
pub(super) static PULSE: LogNormal = LogNormal {
    mu: [
        [4.3913, 4.336, 4.3277, 4.2993, 4.2801, 4.2707, 4.2525, 4.2444],
        [4.3236, 4.2604, 4.2567, 4.2545, 4.2425, 4.2319, 4.203, 4.2074],
    ],
    sigma: [
        [0.137, 0.1486, 0.1471, 0.1588, 0.1426, 0.1647, 0.1697, 0.171],
        [0.1573, 0.162, 0.169, 0.1626, 0.1746, 0.1787, 0.1729, 0.1839],
    ],
};
/// Glycated haemoglobin, percent, without and with diabetes, as mean and spread of the logarithm.
/// Assumption, about the usual clinical ranges: NHANES figures are not at hand.
pub(super) const HBA1C: [(f64, f64); 2] = [(1.700, 0.065), (1.974, 0.190)];
