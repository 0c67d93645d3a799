#!/usr/bin/env bash
# psql against the PostgreSQL door: backslash commands, notices, errors and their places.
# Not about types on the wire: psql shows text only.
set -uo pipefail

export PGHOST=$GRAUNT_PG_HOST PGPORT=$GRAUNT_PG_PORT PGDATABASE=$GRAUNT_POPULATION
export PGUSER=ada PGPASSWORD=$GRAUNT_ADA PGCONNECT_TIMEOUT=20 PGGSSENCMODE=disable
failed=0

# says WHAT PATTERN OUTPUT: one check, that the output has the pattern (of grep -E).
says() {
    if grep -qE -- "$2" <<<"$3"; then
        echo "ok psql: $1"
    else
        echo "FAILED psql: $1 — no '$2' in: $(tr '\n' ' ' <<<"$3" | head -c 300)"
        failed=1
    fi
}

# Output and notices together, as a user sees them.
ask() { timeout 60 psql -X "$@" 2>&1; }
sql() { ask -c "$1"; }

by_sex="SELECT gender_concept_id, COUNT(*) AS n FROM person WHERE year_of_birth < 1991
    GROUP BY gender_concept_id ORDER BY gender_concept_id"
small="SELECT race_concept_id, COUNT(*) AS n FROM person WHERE year_of_birth = 1960
    GROUP BY race_concept_id"
joined="SELECT COUNT(*) FROM visit_occurrence v
    JOIN condition_occurrence o ON v.visit_occurrence_id = o.visit_occurrence_id"

says "connects with SCRAM" '^ *1$' "$(ask -Atc 'SELECT 1')"
says "\\d lists tables" 'public.*person.*table' "$(sql '\d')"
says "\\dt lists tables" 'visit_occurrence' "$(sql '\dt')"
says "\\dt+ lists tables" 'visit_occurrence' "$(sql '\dt+')"
says "\\d person lists columns" 'gender_concept_id.*bigint.*not null' "$(sql '\d person')"
says "\\d+ measurement lists columns" 'value_as_number.*double precision' "$(sql '\d+ measurement')"
says "\\d of no table says so" 'Did not find any relation' "$(sql '\d nope')"
says "\\dn lists public" 'public' "$(sql '\dn')"
says "\\l lists the population" "$GRAUNT_POPULATION" "$(sql '\l')"
says "\\du lists roles, and no error" "Role name" "$(sql '\du')"
says "\\du does not show other analysts" '^0$' "$(sql '\du' | grep -c tiny)"
says "other lists give no error" '^0$' \
    "$(ask -c '\du+' -c '\dn+' -c '\l+' -c '\dv+' -c '\di+' -c '\df+' -c '\dx' -c '\dp' \
        -c '\dT+' -c '\db+' -c '\dd' -c '\dD+' -c '\dL+' -c '\dO' -c '\dF' -c '\ddp' \
        -c '\drds' -c '\dconfig' | grep -c ERROR)"
says "\\dv lists no view" 'Did not find any relations' "$(sql '\dv')"
says "\\dt+ tells whose rows they are" 'person .*one row per person' "$(sql '\dt+')"
says "\\d+ person tells the pseudonym" "person_id .*the person's pseudonym" "$(sql '\d+ person')"
says "\\conninfo names analyst and population" 'user "ada"' "$(sql '\conninfo')"

first=$(ask -Atc "$by_sex")
says "a count by sex" '^8507\|[0-9]+$' "$first"
says "a notice carries cost and what is left" 'NOTICE: +cost .*left rho' "$first"
again=$(ask -Atc "$by_sex")
says "the same question again is free" 'cost nothing|costs nothing|cost rho 0[,. ]' "$again"
says "the same question again gives the same answer" '^same$' \
    "$([ "$(grep '^85' <<<"$first")" = "$(grep '^85' <<<"$again")" ] && echo same)"
says "\\gdesc tells types without asking" 'n *\| bigint' "$(ask <<<"$by_sex \\gdesc")"
says "\\copy writes CSV" '^8507,[0-9]+' \
    "$(ask -c "\\copy ($(tr '\n' ' ' <<<"$by_sex")) to stdout csv")"
says "FETCH_COUNT serves, or is refused with a hint" '8507|HINT' \
    "$(ask -v FETCH_COUNT=1 -Atc "$by_sex")"
says "a suppressed group is absent" '^[1-7]$' "$(ask -Atc "$small" | grep -cE '^[0-9]+\|')"
says "a suppressed group has a notice" 'NOTICE.*are not shown' "$(sql "$small")"

refused=$(sql "$joined")
says "a refusal shows its code" 'ERROR: +\[R-JOIN-PERSON\]' "$refused"
says "a refusal shows its hint" 'HINT: .*person_id' "$refused"
says "a refusal shows its place" '^LINE 2: ' "$refused"
says "rows of persons are refused" 'ERROR: +\[R-ROWS\]' "$(sql 'SELECT * FROM person')"
says "the SQLSTATE of a refusal" '0A000' "$(ask -v VERBOSITY=verbose -c 'SELECT * FROM person')"
says "\\password is refused, not half done" 'ERROR|refused|analyst' \
    "$(sql "ALTER USER ada PASSWORD 'x'")"

says "an exhausted budget is explained" '\[exhausted\]' \
    "$(PGUSER=tiny PGPASSWORD=$GRAUNT_TINY sql "${by_sex/1991/1971}")"
says "its SQLSTATE is 53400" '53400' "$(PGUSER=tiny PGPASSWORD=$GRAUNT_TINY \
    ask -v VERBOSITY=verbose -c "${by_sex/1991/1971}")"

wide=$(ask -c 'SET graunt.intervals = on' -c "$by_sex")
says "SET graunt.intervals = on adds columns" 'n_lo.*n_hi' "$wide"
receipt=$(mktemp)
ask -Atq -c "$by_sex" -c 'SHOW graunt.receipt' 2>/dev/null | grep '^{' >"$receipt"
says "SHOW graunt.receipt is accepted by graunt verify" '^0$' \
    "$("$GRAUNT_BIN" verify --brief "$receipt" >/dev/null 2>&1; echo $?)"
rm -f "$receipt"
says "EXPLAIN shows a plan" 'QUERY PLAN' "$(sql "EXPLAIN $by_sex")"
says "ESTIMATE shows noise and half width" 'noise.*half_width' "$(sql "ESTIMATE $by_sex")"
says "several statements in one command" '^2$' "$(ask -Atqc 'SELECT 1; SELECT 2' | tail -1)"
says "BEGIN and ROLLBACK are taken" 'ROLLBACK' "$(ask -c 'BEGIN' -c 'SELECT 1' -c 'ROLLBACK')"

says "a wrong password is refused" 'FATAL' "$(PGPASSWORD=wrong sql 'SELECT 1')"
says "no password is refused" 'password|FATAL' "$(PGPASSWORD='' ask -w -c 'SELECT 1' </dev/null)"
says "an unknown population is refused" 'FATAL.*nowhere' "$(PGDATABASE=nowhere sql 'SELECT 1')"
exit $failed
