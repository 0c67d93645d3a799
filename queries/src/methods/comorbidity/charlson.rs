//! The codes and weights of the Charlson index, as data.

use super::Comorbidity;

/// The seventeen comorbidities of the Charlson index, with the codes of Quan and others.
///
/// # Source
///
/// Codes: Quan, Sundararajan, Halfon and others, Medical Care 43 (2005) 1130, table 1. Weights:
/// Charlson, Pompei, Ales and MacKenzie, Journal of Chronic Diseases 40 (1987) 373, table 3; Quan,
/// Li, Couris and others, American Journal of Epidemiology 173 (2011) 676, table 2.
pub const CHARLSON: [Comorbidity; 17] = [
    Comorbidity {
        id: "mi",
        name: "myocardial infarction",
        weight_1987: 1,
        weight_2011: 0,
        icd_9: "410 412",
        icd_10: "I21 I22 I252",
    },
    Comorbidity {
        id: "chf",
        name: "congestive heart failure",
        weight_1987: 1,
        weight_2011: 2,
        icd_9: "39891 40201 40211 40291 40401 40403 40411 40413 40491 40493 4254-9 428",
        icd_10: "I099 I110 I130 I132 I255 I420 I425-9 I43 I50 P290",
    },
    Comorbidity {
        id: "pvd",
        name: "peripheral vascular disease",
        weight_1987: 1,
        weight_2011: 0,
        icd_9: "0930 4373 440 441 4431-9 4471 5571 5579 V434",
        icd_10: "I70 I71 I731 I738 I739 I771 I790 I792 K551 K558 K559 Z958 Z959",
    },
    Comorbidity {
        id: "cevd",
        name: "cerebrovascular disease",
        weight_1987: 1,
        weight_2011: 0,
        icd_9: "36234 430-8",
        icd_10: "G45 G46 H340 I60-9",
    },
    Comorbidity {
        id: "dementia",
        name: "dementia",
        weight_1987: 1,
        weight_2011: 2,
        icd_9: "290 2941 3312",
        icd_10: "F00-3 F051 G30 G311",
    },
    Comorbidity {
        id: "cpd",
        name: "chronic pulmonary disease",
        weight_1987: 1,
        weight_2011: 1,
        icd_9: "4168 4169 490-9 500-5 5064 5081 5088",
        icd_10: "I278 I279 J40-7 J60-7 J684 J701 J703",
    },
    Comorbidity {
        id: "rheumd",
        name: "rheumatic disease",
        weight_1987: 1,
        weight_2011: 1,
        icd_9: "4465 7100-4 7140-2 7148 725",
        icd_10: "M05 M06 M315 M32-4 M351 M353 M360",
    },
    Comorbidity {
        id: "pud",
        name: "peptic ulcer disease",
        weight_1987: 1,
        weight_2011: 0,
        icd_9: "531-4",
        icd_10: "K25-8",
    },
    Comorbidity {
        id: "mld",
        name: "mild liver disease",
        weight_1987: 1,
        weight_2011: 2,
        icd_9: "07022 07023 07032 07033 07044 07054 0706 0709 570 571 5733 5734 5738 5739 V427",
        icd_10: "B18 K700-3 K709 K713-5 K717 K73 K74 K760 K762-4 K768 K769 Z944",
    },
    Comorbidity {
        id: "diab",
        name: "diabetes without chronic complications",
        weight_1987: 1,
        weight_2011: 0,
        icd_9: "2500-3 2508 2509",
        icd_10: "E100 E101 E106 E108 E109 E110 E111 E116 E118 E119 E120 E121 E126 E128 E129 E130 \
            E131 E136 E138 E139 E140 E141 E146 E148 E149",
    },
    Comorbidity {
        id: "diabwc",
        name: "diabetes with chronic complications",
        weight_1987: 2,
        weight_2011: 1,
        icd_9: "2504-7",
        icd_10: "E102-5 E107 E112-5 E117 E122-5 E127 E132-5 E137 E142-5 E147",
    },
    Comorbidity {
        id: "hp",
        name: "hemiplegia or paraplegia",
        weight_1987: 2,
        weight_2011: 2,
        icd_9: "3341 342 343 3440-6 3449",
        icd_10: "G041 G114 G801 G802 G81 G82 G830-4 G839",
    },
    Comorbidity {
        id: "rend",
        name: "renal disease",
        weight_1987: 2,
        weight_2011: 1,
        icd_9: "40301 40311 40391 40402 40403 40412 40413 40492 40493 582 5830-7 585 586 5880 \
            V420 V451 V56",
        icd_10: "I120 I131 N032-7 N052-7 N18 N19 N250 Z490-2 Z940 Z992",
    },
    Comorbidity {
        id: "canc",
        name: "cancer",
        weight_1987: 2,
        weight_2011: 2,
        icd_9: "140-9 150-9 160-9 170-2 174-9 180-9 190-5 200-8 2386",
        icd_10: "C00-9 C10-9 C20-6 C30-4 C37-9 C40 C41 C43 C45-9 C50-8 C60-9 C70-6 C81-5 C88 \
            C90-7",
    },
    Comorbidity {
        id: "msld",
        name: "moderate or severe liver disease",
        weight_1987: 3,
        weight_2011: 4,
        icd_9: "4560-2 5722-8",
        icd_10: "I850 I859 I864 I982 K704 K711 K721 K729 K765-7",
    },
    Comorbidity {
        id: "metacanc",
        name: "metastatic cancer",
        weight_1987: 6,
        weight_2011: 6,
        icd_9: "196-9",
        icd_10: "C77-9 C80",
    },
    Comorbidity {
        id: "aids",
        name: "AIDS or HIV",
        weight_1987: 6,
        weight_2011: 4,
        icd_9: "042-4",
        icd_10: "B20-2 B24",
    },
];
