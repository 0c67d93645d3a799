# DBI in R against the PostgreSQL door, by RPostgres where it is installed and by RPostgreSQL else.
# Not about dbReadTable or dbWriteTable: rows are refused, and nothing can be written.

library(DBI)

year <- 1998
failed <- 0

check <- function(what, body) {
  reason <- tryCatch({ force(body); NULL }, error = function(e) conditionMessage(e))
  if (is.null(reason)) {
    cat("ok r: ", what, "\n", sep = "")
  } else {
    failed <<- failed + 1
    cat("FAILED r: ", what, " — ", substr(gsub("\\s+", " ", reason), 1, 300), "\n", sep = "")
  }
}

must <- function(holds, why) if (!isTRUE(holds)) stop(why)

driver <- if (requireNamespace("RPostgres", quietly = TRUE)) {
  RPostgres::Postgres()
} else {
  RPostgreSQL::PostgreSQL()
}

open <- function(user = "ada", password = Sys.getenv("GRAUNT_ADA"),
                 population = Sys.getenv("GRAUNT_POPULATION")) {
  dbConnect(driver, host = Sys.getenv("GRAUNT_PG_HOST"), user = user, password = password,
            port = as.integer(Sys.getenv("GRAUNT_PG_PORT")), dbname = population)
}

# The error of a question: RPostgreSQL prints it, gives NULL, and keeps it as the last exception.
refusal <- function(connection, sql) {
  tryCatch({
    suppressWarnings(invisible(dbGetQuery(connection, sql)))
    dbGetException(connection)$errorMsg
  }, error = function(e) conditionMessage(e))
}

typed <- paste(
  "SELECT CASE WHEN gender_concept_id = 8507 THEN 'men' ELSE 'women' END AS sex,",
  "COUNT(*) AS n, AVG(year_of_birth) AS born FROM person",
  "WHERE year_of_birth <", year, "GROUP BY 1 ORDER BY 1"
)
dates <- paste(
  "SELECT visit_start_date, COUNT(*) AS n FROM visit_occurrence",
  "WHERE visit_start_date BETWEEN DATE '2019-01-01' AND DATE '2023-12-31'",
  "GROUP BY visit_start_date ORDER BY visit_start_date"
)
joined <- paste(
  "SELECT COUNT(*) FROM visit_occurrence v JOIN condition_occurrence o",
  "ON v.visit_occurrence_id = o.visit_occurrence_id"
)

connection <- NULL
check("connects with SCRAM", connection <- open())
if (is.null(connection)) quit(status = 1)

check("lists tables and columns", {
  must("person" %in% dbListTables(connection), "no person")
  must("gender_concept_id" %in% dbListFields(connection, "person"), "no column")
  must(dbExistsTable(connection, "person"), "dbExistsTable")
})
check("a count by sex has text and numbers", {
  first <- dbGetQuery(connection, typed)
  must(identical(first$sex, c("men", "women")), "other keys")
  must(all(as.numeric(first$n) > 1000) && is.double(first$born), "other numbers")
})
check("the same question again gives the same answer", {
  must(isTRUE(all.equal(dbGetQuery(connection, typed), first)), "another answer")
})
check("dates are dates", must(inherits(dbGetQuery(connection, dates)[[1]], "Date"), "no dates"))
check("parameters", {
  sql <- "SELECT COUNT(*) AS n FROM person WHERE gender_concept_id = $1 AND year_of_birth < $2"
  must(as.numeric(dbGetQuery(connection, sql, params = list(8507, year))$n) > 1000, "few persons")
})
check("a suppressed group is absent", {
  rows <- nrow(dbGetQuery(connection, paste(
    "SELECT race_concept_id, COUNT(*) AS n FROM person WHERE year_of_birth = 1960",
    "GROUP BY race_concept_id"
  )))
  must(rows > 0 && rows < 8, paste(rows, "rows"))
})
check("SET graunt.intervals = on adds columns", {
  dbExecute <- function(sql) dbClearResult(dbSendQuery(connection, sql))
  dbExecute("SET graunt.intervals = on")
  must(all(c("n_lo", "n_hi") %in% names(dbGetQuery(connection, typed))), "no n_lo")
  dbExecute("SET graunt.intervals = off")
})
check("SHOW graunt.receipt is accepted by graunt verify", {
  dbGetQuery(connection, typed)
  file <- tempfile(fileext = ".json")
  writeLines(dbGetQuery(connection, "SHOW graunt.receipt")[[1]], file)
  status <- system2(Sys.getenv("GRAUNT_BIN"), c("verify", "--brief", file), stdout = FALSE)
  must(status == 0, paste("graunt verify ended with", status))
})
check("a refusal shows its code and hint", {
  told <- refusal(connection, joined)
  must(grepl("[R-JOIN-PERSON]", told, fixed = TRUE), told)
  must(grepl("HINT", told, fixed = TRUE), told)
})
check("the connection is good after a refusal", {
  must(dbGetQuery(connection, "SELECT 1 AS one")$one == 1, "no answer")
})
check("an exhausted budget is explained", {
  tiny <- open("tiny", Sys.getenv("GRAUNT_TINY"))
  told <- refusal(tiny, sub(year, year - 20, typed, fixed = TRUE))
  must(grepl("[exhausted]", told, fixed = TRUE), told)
  dbDisconnect(tiny)
})
check("a wrong password is refused", {
  wrong <- tryCatch(open(password = "wrong"), error = function(e) NULL)
  must(is.null(wrong), "it was let in")
})
invisible(dbDisconnect(connection))
quit(status = if (failed > 0) 1 else 0)
