//! Queries as clients send them: what they are told, and that they are told no more.

use arrow::util::display::array_value_to_string;

use super::PgCatalog;
use crate::error::{Code, Rejection};
use crate::sql::arguments::Argument;
use crate::tests::fixture::{World, block_on, clinic, world};
use crate::tests::sensitivity::{database, seeded};

fn town() -> (World, PgCatalog) {
    let mut tables = clinic(&database(&mut seeded(23)));
    tables[1].columns[5].generalised = Some("dates to the month".to_owned());
    let world = world(&[tables], 2);
    let catalog = PgCatalog::new(world.engine.catalog(), "town", "15.0 (Graunt)").unwrap();
    (world, catalog)
}

fn words(values: &[&str]) -> Vec<Argument> {
    values.iter().map(|value| Argument::Text((*value).to_owned())).collect()
}

/// Names of columns and rows of text, as a client sees them; NULL is no text.
type Told = (Vec<String>, Vec<Vec<String>>);

fn told(catalog: &PgCatalog, text: &str, values: &[&str]) -> Result<Told, Rejection> {
    assert!(catalog.concerns(text), "{text}");
    let (schema, _) = block_on(catalog.describe(text))?;
    let batch = block_on(catalog.answer(text, &words(values)))?;
    let names = |schema: &arrow::datatypes::Schema| -> Vec<String> {
        schema.fields().iter().map(|field| field.name().clone()).collect()
    };
    assert_eq!(names(&schema), names(&batch.schema()), "{text}");
    let cell = |row: usize| {
        move |column: &arrow::array::ArrayRef| array_value_to_string(column, row).unwrap()
    };
    let rows = (0..batch.num_rows()).map(|row| batch.columns().iter().map(cell(row)).collect());
    Ok((names(&schema), rows.collect()))
}

fn rows(catalog: &PgCatalog, text: &str, values: &[&str]) -> Vec<Vec<String>> {
    told(catalog, text, values).unwrap().1
}

#[test]
fn drivers_of_java_are_told_that_there_are_no_keys() {
    let (_world, catalog) = town();
    let setting = "SELECT setting FROM pg_catalog.pg_settings WHERE name='max_index_keys'";
    assert_eq!(rows(&catalog, setting, &[]), [["32"]]);
    let (columns, none) = told(&catalog, FOREIGN_KEYS, &[]).unwrap();
    assert_eq!(none.len(), 0);
    let expected = [
        "pktable_cat",
        "pktable_schem",
        "pktable_name",
        "pkcolumn_name",
        "fktable_cat",
        "fktable_schem",
        "fktable_name",
        "fkcolumn_name",
        "key_seq",
        "update_rule",
        "delete_rule",
        "fk_name",
        "pk_name",
        "deferrability",
    ];
    assert_eq!(columns, expected);
    let standard = "SELECT constraint_name, column_name FROM information_schema.key_column_usage";
    assert_eq!(rows(&catalog, standard, &[]).len(), 0);
}

#[test]
fn types_are_looked_up_by_the_name_of_their_procedure() {
    let (_world, catalog) = town();
    for name in ["array_in", "pg_catalog.array_in"] {
        let text = format!("{TYPE_START} '{name}'::regproc {TYPE_END}");
        let found = rows(&catalog, &text, &["_oidvector"]);
        assert_eq!(found, [["true", "b", "_oidvector", "1013"]]);
        assert_eq!(rows(&catalog, &text, &["oidvector"])[0][3], "30");
    }
    // Of none of the user's own types, the one that it is based on is asked for each.
    let own = "SELECT null as type_cat, n.nspname as type_schem, t.typname as type_name, \
               null as class_name, CASE WHEN t.typtype='c' then 2002 else 2001 end as data_type, \
               pg_catalog.obj_description(t.oid, 'pg_type') as remarks, \
               CASE WHEN t.typtype = 'd' then (select CASE when base_type.oid = 20 then -5 \
               else 1111 end from pg_type base_type where base_type.oid=t.typbasetype) \
               else null end as base_type \
               from pg_catalog.pg_type t, pg_catalog.pg_namespace n \
               where t.typnamespace = n.oid and n.nspname != 'pg_catalog' \
               and t.typtype IN ('c','d') order by data_type, type_schem, type_name";
    assert_eq!(rows(&catalog, own, &[]).len(), 0);
}

#[test]
fn adbc_lists_tables_columns_and_no_constraints() {
    let (_world, catalog) = town();
    let mut tables = rows(&catalog, ADBC_TABLES, &["public", r#"{"r","v","p"}"#]);
    tables.sort();
    assert_eq!(tables, [["codes", "table"], ["person", "table"], ["visit", "table"]]);
    assert_eq!(rows(&catalog, ADBC_TABLES, &["public", r#"{"v"}"#]).len(), 0);
    assert_eq!(rows(&catalog, ADBC_TABLES, &["public", "{}"]).len(), 0);
    let columns = rows(&catalog, ADBC_COLUMNS, &["public", "codes"]);
    assert_eq!(columns, [["code", "1", "", "int8"], ["chapter", "2", "", "text"]]);
    let (names, none) = told(&catalog, ADBC_CONSTRAINTS, &["public", "person"]).unwrap();
    assert_eq!(names, ["conname", "contype", "colnames", "fschema", "ftable", "fcolnames"]);
    assert_eq!(none.len(), 0);
    let statistics = "WITH class AS (SELECT nspname, relname, reltuples FROM pg_namespace \
                      INNER JOIN pg_class ON pg_class.relnamespace = pg_namespace.oid) \
                      SELECT tablename, attname, null_frac, reltuples FROM pg_stats \
                      INNER JOIN class ON pg_stats.tablename = class.relname \
                      WHERE pg_stats.schemaname = $1 AND tablename LIKE $2";
    assert_eq!(rows(&catalog, statistics, &["public", "%"]).len(), 0);
}

#[test]
fn comments_are_those_of_the_manifests() {
    let (_world, catalog) = town();
    let tables = "SELECT c.relname, pg_catalog.obj_description(c.oid, 'pg_class') \
                  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n \
                  ON n.oid = c.relnamespace WHERE n.nspname = 'public' ORDER BY 1";
    let of_person = "one row per person, by person_id";
    let of_visit = "rows of persons, by person_id; at most 8 of one person count";
    let expected =
        [["codes", "reference data about nobody"], ["person", of_person], ["visit", of_visit]];
    assert_eq!(rows(&catalog, tables, &[]), expected);
    let columns = "SELECT a.attname, pg_catalog.col_description(a.attrelid, a.attnum) \
                   FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c \
                   ON c.oid = a.attrelid WHERE c.relname = 'visit' ORDER BY a.attnum";
    let columns = rows(&catalog, columns, &[]);
    assert_eq!(columns[0], ["person_id", "the person's pseudonym"]);
    assert_eq!(columns[1], ["region", ""]);
    assert_eq!(columns[5], ["visit_date", "dates to the month"]);
    let joined = "SELECT c.relname, d.description FROM pg_catalog.pg_class c \
                  JOIN pg_catalog.pg_description d ON c.oid = d.objoid AND d.objsubid = 0 \
                  AND d.classoid = 'pg_class'::regclass WHERE c.relname = 'person'";
    assert_eq!(rows(&catalog, joined, &[]), [["person", of_person]]);
    let other = "SELECT pg_catalog.obj_description(c.oid, 'pg_type') AS a, \
                 pg_catalog.shobj_description(c.oid, 'pg_database') AS b, \
                 pg_catalog.obj_description(NULL, 'pg_class') AS c \
                 FROM pg_catalog.pg_class c WHERE c.relname = 'person'";
    assert_eq!(rows(&catalog, other, &[]), [["", "", ""]]);
}

#[test]
fn psql_is_answered() {
    let (_world, catalog) = town();
    let mut asked = 0;
    for part in include_str!("psql.sql").split("-- \\").skip(1) {
        let (command, text) = part.split_once('\n').unwrap();
        let answer = told(&catalog, text.trim(), &[]);
        let (_, rows) = answer.unwrap_or_else(|error| panic!("{command}: {error:?}"));
        let expected = match command.split(' ').next() {
            Some("dt+" | "dp") => Some(3),
            Some("dn+") => Some(1),
            Some("du+" | "dv+" | "di+" | "df+" | "dx" | "dd" | "dD+") => Some(0),
            _ => None,
        };
        assert!(expected.is_none_or(|expected| expected == rows.len()), "{command}: {rows:?}");
        asked += 1;
    }
    assert!(asked > 15, "{asked}");
}

#[test]
fn nothing_of_this_server_is_among_the_relations() {
    let (_world, catalog) = town();
    let found = "SELECT nspname FROM pg_catalog.pg_namespace ORDER BY 1";
    let found = rows(&catalog, found, &[]).concat();
    assert!(found.iter().all(|name| !name.contains("graunt")), "{found:?}");
    let columns = "SELECT column_name, data_type FROM information_schema.columns \
                   WHERE table_name = 'codes' ORDER BY ordinal_position";
    assert_eq!(rows(&catalog, columns, &[]), [["code", "bigint"], ["chapter", "text"]]);
    for text in [
        "SELECT * FROM graunt_descriptions(), pg_catalog.pg_class",
        "SELECT * FROM pg_catalog.pg_class, graunt_descriptions",
    ] {
        assert!(told(&catalog, text, &[]).is_err(), "{text}");
    }
}

#[test]
fn a_list_has_an_end() {
    let (_world, catalog) = town();
    let text = "SELECT typname FROM pg_catalog.pg_type WHERE typname = ANY($1)";
    let list = |count: usize| format!("{{{}}}", vec!["int8"; count].join(","));
    assert_eq!(rows(&catalog, text, &[&list(1_000)]), [["int8"]]);
    for count in [1_001, 100_000] {
        let refused = told(&catalog, text, &[&list(count)]).unwrap_err();
        assert_eq!(refused.code, Code::Function, "{refused:?}");
    }
    let written = vec!["'int8'"; 1_001].join(", ");
    let text = format!("SELECT oid FROM pg_catalog.pg_type WHERE typname = ANY(ARRAY[{written}])");
    assert_eq!(told(&catalog, &text, &[]).unwrap_err().code, Code::Function);
}

const TYPE_START: &str = "SELECT typinput =";
const TYPE_END: &str = "as is_array, typtype, typname, pg_type.oid \
    FROM pg_catalog.pg_type LEFT JOIN (select ns.oid as nspoid, ns.nspname, r.r \
    from pg_namespace as ns join ( select s.r, (current_schemas(false))[s.r] as nspname \
    from generate_series(1, array_upper(current_schemas(false), 1)) as s(r) ) as r \
    using ( nspname ) ) as sp ON sp.nspoid = typnamespace \
    WHERE pg_type.typname = $1 ORDER BY sp.r, pg_type.oid DESC";

const FOREIGN_KEYS: &str = "SELECT NULL::text AS PKTABLE_CAT, pkn.nspname AS PKTABLE_SCHEM, \
    pkc.relname AS PKTABLE_NAME, pka.attname AS PKCOLUMN_NAME, NULL::text AS FKTABLE_CAT, \
    fkn.nspname AS FKTABLE_SCHEM, fkc.relname AS FKTABLE_NAME, fka.attname AS FKCOLUMN_NAME, \
    pos.n AS KEY_SEQ, CASE con.confupdtype WHEN 'c' THEN 0 ELSE NULL END AS UPDATE_RULE, \
    CASE con.confdeltype WHEN 'c' THEN 0 ELSE NULL END AS DELETE_RULE, con.conname AS FK_NAME, \
    pkic.relname AS PK_NAME, CASE WHEN con.condeferrable AND con.condeferred THEN 5 ELSE 7 END \
    AS DEFERRABILITY FROM pg_catalog.pg_namespace pkn, pg_catalog.pg_class pkc, \
    pg_catalog.pg_attribute pka, pg_catalog.pg_namespace fkn, pg_catalog.pg_class fkc, \
    pg_catalog.pg_attribute fka, pg_catalog.pg_constraint con, \
    pg_catalog.generate_series(1, 32) pos(n), pg_catalog.pg_class pkic \
    WHERE pkn.oid = pkc.relnamespace AND pkc.oid = pka.attrelid \
    AND pka.attnum = con.confkey[pos.n] AND con.confrelid = pkc.oid \
    AND fkn.oid = fkc.relnamespace AND fkc.oid = fka.attrelid \
    AND fka.attnum = con.conkey[pos.n] AND con.conrelid = fkc.oid AND con.contype = 'f' \
    AND pkic.relkind = 'i' AND pkic.oid = con.conindid AND fkn.nspname = 'public' \
    AND fkc.relname = 'person' ORDER BY pkn.nspname,pkc.relname, con.conname,pos.n";

const ADBC_TABLES: &str = "SELECT c.relname, CASE c.relkind WHEN 'r' THEN 'table' \
    WHEN 'v' THEN 'view' WHEN 'p' THEN 'partitioned table' END AS reltype \
    FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE n.nspname = $1 AND c.relkind = ANY($2)";

const ADBC_COLUMNS: &str = "SELECT attr.attname, attr.attnum, \
    pg_catalog.col_description(cls.oid, attr.attnum), typ.typname \
    FROM pg_catalog.pg_attribute AS attr \
    INNER JOIN pg_catalog.pg_class AS cls ON attr.attrelid = cls.oid \
    INNER JOIN pg_catalog.pg_namespace AS nsp ON nsp.oid = cls.relnamespace \
    INNER JOIN pg_catalog.pg_type AS typ ON attr.atttypid = typ.oid \
    WHERE attr.attnum > 0 AND NOT attr.attisdropped AND nsp.nspname LIKE $1 \
    AND cls.relname LIKE $2 ORDER BY attr.attnum";

const ADBC_CONSTRAINTS: &str = "WITH fk_unnest AS ( SELECT con.conname, \
    'FOREIGN KEY' AS contype, conrelid, UNNEST(con.conkey) AS conkey, confrelid, \
    UNNEST(con.confkey) AS confkey FROM pg_catalog.pg_constraint AS con \
    INNER JOIN pg_catalog.pg_class AS cls ON cls.oid = conrelid \
    WHERE con.contype = 'f' AND cls.relname = $2 ), fk_names AS ( SELECT fk_unnest.conname, \
    fk_unnest.contype, fk_unnest.conkey, attr.attname, fnsp.nspname AS fschema \
    FROM fk_unnest INNER JOIN pg_catalog.pg_namespace AS fnsp ON fnsp.nspname = $1 \
    INNER JOIN pg_catalog.pg_attribute AS attr ON attr.attnum = fk_unnest.conkey ), \
    fkeys AS ( SELECT conname, contype, ARRAY_AGG(attname ORDER BY conkey) AS colnames, \
    fschema, fschema AS ftable, ARRAY_AGG(attname ORDER BY conkey) AS fcolnames FROM fk_names \
    GROUP BY conname, contype, fschema ), other_constraints AS ( SELECT con.conname, \
    CASE con.contype WHEN 'c' THEN 'CHECK' END AS contype, ARRAY_AGG(attr.attname) AS colnames \
    FROM pg_catalog.pg_constraint AS con CROSS JOIN UNNEST(conkey) AS conkeys \
    INNER JOIN pg_catalog.pg_attribute AS attr ON attr.attnum = conkeys \
    GROUP BY conname, contype ) \
    SELECT conname, contype, colnames, fschema, ftable, fcolnames FROM fkeys UNION ALL \
    SELECT conname, contype, colnames, NULL, NULL, NULL FROM other_constraints";
