// The PostgreSQL JDBC driver against the PostgreSQL door, as DBeaver, Atlas and Tableau use it.
// Not about updatable results, batches or large objects: nothing can be written.

import java.nio.file.Files;
import java.sql.Connection;
import java.sql.Date;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.SQLWarning;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Types;
import java.util.ArrayList;
import java.util.List;
import java.util.Timer;
import java.util.TimerTask;
import org.postgresql.util.PSQLException;

public class JdbcClient {
    interface Body {
        void run() throws Exception;
    }

    static final int YEAR = 2000;
    static final String TYPED =
        "SELECT CASE WHEN gender_concept_id = 8507 THEN 'men' ELSE 'women' END AS sex, "
            + "COUNT(*) AS n, AVG(year_of_birth) AS born FROM person "
            + "WHERE year_of_birth < %d GROUP BY 1 ORDER BY 1";
    static final String DATES =
        "SELECT visit_start_date, COUNT(*) AS n FROM visit_occurrence "
            + "WHERE visit_start_date BETWEEN DATE '2019-01-01' AND DATE '2023-12-31' "
            + "GROUP BY visit_start_date ORDER BY visit_start_date";
    static final String SMALL =
        "SELECT race_concept_id, COUNT(*) AS n FROM person WHERE year_of_birth = 1960 "
            + "GROUP BY race_concept_id";
    static final String JOINED =
        "SELECT COUNT(*) FROM visit_occurrence v JOIN condition_occurrence o "
            + "ON v.visit_occurrence_id = o.visit_occurrence_id";
    static final String SLOW =
        "SELECT COUNT(*) AS n FROM cost a JOIN measurement b ON a.person_id = b.person_id "
            + "JOIN drug_exposure d ON d.person_id = a.person_id "
            + "JOIN condition_occurrence c ON c.person_id = a.person_id WHERE a.total_cost > 3";
    // What DBeaver asks when it opens a connection and unfolds its tree.
    static final String[] DBEAVER = {
        "SELECT current_schema(),session_user",
        "SHOW search_path",
        "SELECT db.oid,db.* FROM pg_catalog.pg_database db WHERE datname=current_database()",
        "select * from pg_catalog.pg_settings where name='standard_conforming_strings'",
        "SELECT n.oid,n.*,d.description FROM pg_catalog.pg_namespace n "
            + "LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=n.oid AND d.objsubid=0 "
            + "AND d.classoid='pg_namespace'::regclass ORDER BY nspname",
        "SELECT t.oid,t.*,c.relkind,format_type(nullif(t.typbasetype, 0), t.typtypmod) as "
            + "base_type_name, d.description FROM pg_catalog.pg_type t "
            + "LEFT OUTER JOIN pg_catalog.pg_type et ON et.oid=t.typelem "
            + "LEFT OUTER JOIN pg_catalog.pg_class c ON c.oid=t.typrelid "
            + "LEFT OUTER JOIN pg_catalog.pg_description d ON t.oid=d.objoid "
            + "WHERE t.typname IS NOT NULL AND (c.relkind IS NULL OR c.relkind = 'c') "
            + "AND (et.typcategory IS NULL OR et.typcategory <> 'C')",
        "SELECT c.oid,c.*,d.description,pg_catalog.pg_get_expr(c.relpartbound, c.oid) as "
            + "partition_expr,  pg_catalog.pg_get_partkeydef(c.oid) as partition_key "
            + "FROM pg_catalog.pg_class c LEFT OUTER JOIN pg_catalog.pg_description d "
            + "ON d.objoid=c.oid AND d.objsubid=0 AND d.classoid='pg_class'::regclass "
            + "WHERE c.relnamespace=(SELECT oid FROM pg_catalog.pg_namespace "
            + "WHERE nspname='public') AND c.relkind not in ('i','I','c')",
        "SELECT c.relname,a.*,pg_catalog.pg_get_expr(ad.adbin, ad.adrelid, true) as def_value,"
            + "dsc.description,dep.objid FROM pg_catalog.pg_attribute a "
            + "INNER JOIN pg_catalog.pg_class c ON (a.attrelid=c.oid) "
            + "LEFT OUTER JOIN pg_catalog.pg_attrdef ad ON (a.attrelid=ad.adrelid AND "
            + "a.attnum = ad.adnum) LEFT OUTER JOIN pg_catalog.pg_description dsc ON "
            + "(c.oid=dsc.objoid AND a.attnum = dsc.objsubid) LEFT OUTER JOIN pg_depend dep "
            + "on dep.refobjid = a.attrelid AND dep.deptype = 'i' and dep.refobjsubid = "
            + "a.attnum and dep.classid = dep.refclassid WHERE NOT a.attisdropped "
            + "AND c.relkind not in ('i','I','c') AND c.relname='person' ORDER BY a.attnum",
    };

    static int failed = 0;

    static void check(String what, Body body) {
        try {
            body.run();
            System.out.println("ok jdbc: " + what);
        } catch (Throwable error) {
            failed++;
            String reason = error.toString().replaceAll("\\s+", " ");
            reason = reason.substring(0, Math.min(300, reason.length()));
            System.out.println("FAILED jdbc: " + what + " — " + reason);
        }
    }

    static void must(boolean holds, String why) {
        if (!holds) {
            throw new AssertionError(why);
        }
    }

    static Connection open(String user, String password, String more) throws SQLException {
        String url = "jdbc:postgresql://" + System.getenv("GRAUNT_PG_HOST") + ":"
            + System.getenv("GRAUNT_PG_PORT") + "/" + System.getenv("GRAUNT_POPULATION")
            + "?loginTimeout=20" + more;
        return DriverManager.getConnection(url, user, password);
    }

    static Connection open() throws SQLException {
        return open("ada", System.getenv("GRAUNT_ADA"), "");
    }

    static List<String> column(ResultSet rows, String name) throws SQLException {
        List<String> found = new ArrayList<>();
        while (rows.next()) {
            found.add(rows.getString(name));
        }
        rows.close();
        return found;
    }

    static String warnings(Statement statement) throws SQLException {
        StringBuilder told = new StringBuilder();
        for (SQLWarning w = statement.getWarnings(); w != null; w = w.getNextWarning()) {
            told.append(w.getMessage()).append('\n');
        }
        return told.toString();
    }

    static PSQLException refused(Body body) throws Exception {
        try {
            body.run();
        } catch (PSQLException error) {
            return error;
        }
        throw new AssertionError("it was answered");
    }

    static void metadata(Connection connection) throws SQLException {
        DatabaseMetaData of = connection.getMetaData();
        check("getSchemas, getTables", () -> {
            must(column(of.getSchemas(), "TABLE_SCHEM").contains("public"), "no public");
            ResultSet tables = of.getTables(null, "public", "%", new String[] {"TABLE"});
            must(column(tables, "TABLE_NAME").contains("person"), "no person");
            ResultSet person = of.getTables(null, "public", "person", new String[] {"TABLE"});
            must(column(person, "REMARKS").get(0).startsWith("one row per person"), "no remark");
            String[] views = {"VIEW", "MATERIALIZED VIEW"};
            must(!of.getTables(null, null, "%", views).next(), "a view");
        });
        check("getColumns", () -> {
            ResultSet columns = of.getColumns(null, "public", "measurement", "%");
            boolean seen = false;
            while (columns.next()) {
                String name = columns.getString("COLUMN_NAME");
                int type = columns.getInt("DATA_TYPE");
                seen |= name.equals("value_as_number") && type == Types.DOUBLE;
                must(!name.equals("person_id") || type == Types.BIGINT, "person_id: " + type);
            }
            must(seen, "no value_as_number");
        });
        check("keys, indexes, types and keywords", () -> {
            of.getPrimaryKeys(null, "public", "person").close();
            must(!of.getImportedKeys(null, "public", "person").next(), "an imported key");
            must(!of.getExportedKeys(null, "public", "person").next(), "an exported key");
            must(!of.getCrossReference(null, null, "person", null, null, "death").next(), "a key");
            of.getVersionColumns(null, "public", "person").close();
            must(!of.getUDTs(null, "public", "%", null).next(), "a type of users");
            of.getIndexInfo(null, "public", "person", false, true).close();
            must(column(of.getTypeInfo(), "TYPE_NAME").contains("int8"), "no int8");
            of.getTableTypes().close();
            of.getSQLKeywords();
            of.getFunctions(null, "public", "%").close();
            of.getTablePrivileges(null, "public", "person").close();
        });
        for (String sql : DBEAVER) {
            check("DBeaver: " + sql.substring(0, Math.min(48, sql.length())), () -> {
                try (Statement statement = connection.createStatement()) {
                    statement.setMaxRows(200);
                    must(statement.executeQuery(sql).next(), "no rows");
                }
            });
        }
    }

    static void answers(Connection connection) {
        String typed = String.format(TYPED, YEAR);
        List<String> first = new ArrayList<>();
        check("a count by sex has text, int8 and float8, and a warning with its cost", () -> {
            try (Statement statement = connection.createStatement()) {
                ResultSet rows = statement.executeQuery(typed);
                must(rows.getMetaData().getColumnType(2) == Types.BIGINT, "n");
                must(rows.getMetaData().getColumnType(3) == Types.DOUBLE, "born");
                while (rows.next()) {
                    must(rows.getLong("n") > 1000 && rows.getDouble("born") > 1900, "numbers");
                    first.add(rows.getString("sex") + rows.getLong("n"));
                }
                must(first.size() == 2, first.toString());
                must(warnings(statement).contains("cost"), warnings(statement));
            }
        });
        check("eight runs of one prepared statement give the same answer", () -> {
            String sql = typed.replace(" < " + YEAR, " < ?");
            try (PreparedStatement prepared = connection.prepareStatement(sql)) {
                prepared.setInt(1, YEAR);
                for (int i = 0; i < 8; i++) {
                    List<String> rows = new ArrayList<>();
                    ResultSet found = prepared.executeQuery();
                    while (found.next()) {
                        rows.add(found.getString("sex") + found.getLong("n"));
                    }
                    must(rows.equals(first), rows.toString());
                }
            }
        });
        check("dates are dates, and parameters of each type are taken", () -> {
            try (Statement statement = connection.createStatement()) {
                ResultSet rows = statement.executeQuery(DATES);
                must(rows.next() && rows.getDate(1).toString().startsWith("20"), "no date");
            }
            String sql = "SELECT COUNT(*) FROM visit_occurrence WHERE visit_start_date >= ?";
            try (PreparedStatement prepared = connection.prepareStatement(sql)) {
                prepared.setDate(1, Date.valueOf("2020-01-01"));
                must(prepared.executeQuery().next(), "setDate");
                prepared.setObject(1, java.time.LocalDate.of(2020, 1, 1));
                must(prepared.executeQuery().next(), "LocalDate");
            }
            sql = "SELECT COUNT(*) FROM cost WHERE cost_domain_id = ? AND total_cost > ?";
            try (PreparedStatement prepared = connection.prepareStatement(sql)) {
                prepared.setString(1, "Drug");
                prepared.setDouble(2, 10.5);
                must(prepared.executeQuery().next(), "setString");
            }
        });
    }

    static void portions(Connection connection) {
        String typed = String.format(TYPED, YEAR);
        check("rows come in portions, by maxRows and by fetchSize", () -> {
            try (Statement statement = connection.createStatement()) {
                statement.setMaxRows(1);
                ResultSet rows = statement.executeQuery(typed);
                must(rows.next() && !rows.next(), "not one row");
            }
            connection.setAutoCommit(false);
            try (Statement statement = connection.createStatement()) {
                statement.setFetchSize(1);
                must(column(statement.executeQuery(typed), "sex").size() == 2, "not two rows");
            } finally {
                connection.rollback();
                connection.setAutoCommit(true);
            }
        });
        check("a suppressed group is absent, and a warning says so", () -> {
            try (Statement statement = connection.createStatement()) {
                int rows = column(statement.executeQuery(SMALL), "n").size();
                must(rows > 0 && rows < 8, rows + " rows");
                must(warnings(statement).contains("not shown"), warnings(statement));
            }
        });
    }

    static void session(Connection connection) {
        check("SET graunt.intervals = on adds columns", () -> {
            try (Statement statement = connection.createStatement()) {
                statement.execute("SET graunt.intervals = on");
                ResultSet rows = statement.executeQuery(String.format(TYPED, YEAR));
                must(rows.next(), "no row");
                must(rows.getDouble("n_lo") <= rows.getLong("n"), "n_lo");
                must(rows.getDouble("n_hi") >= rows.getLong("n"), "n_hi");
                statement.execute("SET graunt.intervals = off");
            }
        });
        check("SHOW graunt.receipt is accepted by graunt verify", () -> {
            var file = Files.createTempFile("receipt", ".json");
            try (Statement statement = connection.createStatement()) {
                statement.executeQuery(String.format(TYPED, YEAR)).close();
                ResultSet rows = statement.executeQuery("SHOW graunt.receipt");
                must(rows.next(), "no row");
                Files.writeString(file, rows.getString(1));
                Process verify = new ProcessBuilder(
                    System.getenv("GRAUNT_BIN"), "verify", "--brief", file.toString())
                    .redirectErrorStream(true).start();
                verify.getInputStream().readAllBytes();
                must(verify.waitFor() == 0, "graunt verify refuses it");
            } finally {
                Files.delete(file);
            }
        });
        check("EXPLAIN and ESTIMATE", () -> {
            try (Statement statement = connection.createStatement()) {
                String sql = String.format(TYPED, YEAR);
                ResultSet plan = statement.executeQuery("EXPLAIN " + sql);
                must(!column(plan, "QUERY PLAN").isEmpty(), "no plan");
                ResultSet price = statement.executeQuery("ESTIMATE " + sql);
                must(!column(price, "noise").isEmpty(), "no noise");
            }
        });
        check("a transaction goes on from a savepoint after a refusal", () -> {
            connection.setAutoCommit(false);
            try (Statement statement = connection.createStatement()) {
                Savepoint point = connection.setSavepoint("a");
                refused(() -> statement.execute(JOINED));
                connection.rollback(point);
                must(statement.executeQuery("SHOW graunt.epsilon").next(), "no row");
                connection.releaseSavepoint(point);
                connection.commit();
            } finally {
                connection.rollback();
                connection.setAutoCommit(true);
            }
        });
        check("Statement.cancel ends a slow question, or comes too late", () -> {
            try (Statement statement = connection.createStatement()) {
                new Timer(true).schedule(new TimerTask() {
                    @Override
                    public void run() {
                        try {
                            statement.cancel();
                        } catch (SQLException error) {
                            System.err.println(error);
                        }
                    }
                }, 300);
                statement.executeQuery(SLOW).close();
            } catch (PSQLException error) {
                String state = error.getSQLState();
                must(state.equals("57014") || state.equals("XX000"), error.toString());
            }
            must(connection.isValid(10), "the connection is of no use any more");
        });
    }

    static void refusals(Connection connection) {
        check("a refusal shows its code, hint and place", () -> {
            PSQLException error = refused(() -> connection.createStatement().execute(JOINED));
            must(error.getMessage().contains("[R-JOIN-PERSON]"), error.getMessage());
            must(error.getServerErrorMessage().getHint().contains("person_id"), "no hint");
            must(error.getServerErrorMessage().getPosition() > 0, "no place");
            must(error.getSQLState().equals("0A000"), error.getSQLState());
        });
        check("an exhausted budget is explained", () -> {
            Connection tiny = open("tiny", System.getenv("GRAUNT_TINY"), "");
            String sql = String.format(TYPED, YEAR - 20);
            PSQLException error = refused(() -> tiny.createStatement().execute(sql));
            must(error.getMessage().contains("[exhausted]"), error.getMessage());
            must(error.getSQLState().equals("53400"), error.getSQLState());
            tiny.close();
        });
        check("a wrong password is refused as 28P01", () -> {
            PSQLException error = refused(() -> open("ada", "wrong", ""));
            must(error.getSQLState().equals("28P01"), error.getSQLState());
        });
        check("the simple query mode serves too", () -> {
            Connection simple =
                open("ada", System.getenv("GRAUNT_ADA"), "&preferQueryMode=simple");
            String sql = "SELECT COUNT(*) AS n FROM person WHERE year_of_birth < ?";
            PreparedStatement prepared = simple.prepareStatement(sql);
            prepared.setInt(1, YEAR);
            must(prepared.executeQuery().next(), "no row");
            simple.close();
        });
    }

    public static void main(String[] arguments) throws Exception {
        Connection[] opened = new Connection[1];
        check("connects with SCRAM", () -> opened[0] = open());
        if (opened[0] != null) {
            metadata(opened[0]);
            answers(opened[0]);
            portions(opened[0]);
            session(opened[0]);
            refusals(opened[0]);
            opened[0].close();
        }
        System.exit(failed > 0 ? 1 : 0);
    }
}
