//! What is asked, word for word of everybody.

/// One question.
pub(crate) struct Question {
    pub(crate) data: &'static str,
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
    /// Rows and groups of one person that count, where they are given and not chosen privately.
    pub(crate) bounds: Option<(u32, u32)>,
}

/// The text of a question.
pub(crate) fn find(data: &str, name: &str) -> Result<&'static Question, String> {
    let found = QUESTIONS.iter().find(|q| q.data == data && q.name == name);
    found.ok_or_else(|| format!("{data} has no question {name}"))
}

/// Every question.
pub(crate) const QUESTIONS: &[Question] = &[
    Question { data: "q0", name: "q0", sql: Q0, bounds: Some((20, 3)) },
    Question { data: "q0", name: "q0auto", sql: Q0, bounds: None },
    Question {
        data: "q0",
        name: "q0person",
        sql: "SELECT region, sex, COUNT(*) AS n, SUM(cost) AS cost, MAX(person_id) AS person \
              FROM visit GROUP BY region, sex",
        bounds: None,
    },
    Question {
        data: "keys",
        name: "keys",
        sql: "SELECT code, COUNT(*) AS n FROM visit GROUP BY code",
        bounds: Some((20, 20)),
    },
    Question {
        data: "join",
        name: "join",
        sql: "SELECT c.category, COUNT(*) AS n FROM visit v JOIN drug d ON v.person_id = \
              d.person_id JOIN concept c ON d.concept_id = c.concept_id GROUP BY c.category",
        bounds: Some((20, 20)),
    },
    // Rows of a full join come in no order, and are put aside.
    Question {
        data: "join",
        name: "aside",
        sql: "SELECT COUNT(*) AS n FROM visit v FULL JOIN (SELECT DISTINCT person_id FROM drug) d \
              ON v.person_id = d.person_id",
        bounds: Some((20, 20)),
    },
    Question { data: "peers", name: "q0", sql: Q0, bounds: None },
    Question { data: "peers", name: "q0given", sql: Q0, bounds: Some((15, 2)) },
    Question { data: "tpch", name: "q01", sql: TPCH_01, bounds: None },
    Question { data: "tpch", name: "q05", sql: TPCH_05, bounds: None },
    Question { data: "tpch", name: "q06", sql: TPCH_06, bounds: None },
    Question { data: "tpch", name: "q14", sql: TPCH_14, bounds: None },
    Question { data: "tpch", name: "q19", sql: TPCH_19, bounds: None },
    Question { data: "tpch", name: "r2t03", sql: R2T_03, bounds: None },
    Question { data: "tpch", name: "r2t12", sql: R2T_12, bounds: None },
    Question { data: "tpch", name: "r2t18", sql: R2T_18, bounds: None },
];

const Q0: &str =
    "SELECT region, sex, COUNT(*) AS n, SUM(cost) AS cost FROM visit GROUP BY region, sex";

const TPCH_01: &str = "SELECT l_returnflag, l_linestatus, SUM(l_quantity) AS sum_qty, \
    SUM(l_extendedprice) AS sum_base_price, \
    SUM(l_extendedprice * (1 - l_discount)) AS sum_disc_price, \
    SUM(l_extendedprice * (1 - l_discount) * (1 + l_tax)) AS sum_charge, \
    AVG(l_quantity) AS avg_qty, AVG(l_extendedprice) AS avg_price, AVG(l_discount) AS avg_disc, \
    COUNT(*) AS count_order FROM lineitem WHERE l_shipdate <= DATE '1998-09-02' \
    GROUP BY l_returnflag, l_linestatus";

const TPCH_05: &str = "SELECT n_name, SUM(l_extendedprice * (1 - l_discount)) AS revenue \
    FROM customer, orders, lineitem, supplier, nation, region \
    WHERE customer.custkey = orders.custkey AND orders.custkey = lineitem.custkey \
    AND l_orderkey = o_orderkey AND l_suppkey = s_suppkey AND c_nationkey = s_nationkey \
    AND s_nationkey = n_nationkey AND n_regionkey = r_regionkey AND r_name = 'ASIA' \
    AND o_orderdate >= DATE '1994-01-01' AND o_orderdate < DATE '1995-01-01' GROUP BY n_name";

const TPCH_06: &str = "SELECT SUM(l_extendedprice * l_discount) AS revenue FROM lineitem \
    WHERE l_shipdate >= DATE '1994-01-01' AND l_shipdate < DATE '1995-01-01' \
    AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24";

const TPCH_14: &str = "SELECT SUM(CASE WHEN p_type LIKE 'PROMO%' \
    THEN l_extendedprice * (1 - l_discount) ELSE 0 END) AS promo, \
    SUM(l_extendedprice * (1 - l_discount)) AS revenue FROM lineitem JOIN part \
    ON l_partkey = p_partkey WHERE l_shipdate >= DATE '1995-09-01' \
    AND l_shipdate < DATE '1995-10-01'";

const TPCH_19: &str = "SELECT SUM(l_extendedprice * (1 - l_discount)) AS revenue \
    FROM lineitem JOIN part ON p_partkey = l_partkey WHERE l_shipmode IN ('AIR', 'AIR REG') \
    AND l_shipinstruct = 'DELIVER IN PERSON' AND ( \
    (p_brand = 'Brand#12' AND p_container IN ('SM CASE', 'SM BOX', 'SM PACK', 'SM PKG') \
    AND l_quantity BETWEEN 1 AND 11 AND p_size BETWEEN 1 AND 5) OR \
    (p_brand = 'Brand#23' AND p_container IN ('MED BAG', 'MED BOX', 'MED PKG', 'MED PACK') \
    AND l_quantity BETWEEN 10 AND 20 AND p_size BETWEEN 1 AND 10) OR \
    (p_brand = 'Brand#34' AND p_container IN ('LG CASE', 'LG BOX', 'LG PACK', 'LG PKG') \
    AND l_quantity BETWEEN 20 AND 30 AND p_size BETWEEN 1 AND 15))";

const R2T_03: &str = "SELECT COUNT(*) AS n FROM orders JOIN lineitem \
    ON orders.custkey = lineitem.custkey AND l_orderkey = o_orderkey \
    WHERE o_orderdate < DATE '1995-03-15'";
const R2T_12: &str = "SELECT COUNT(*) AS n FROM lineitem";
const R2T_18: &str = "SELECT SUM(l_quantity) AS n FROM lineitem";
