# psqlODBC, by RODBC, against the PostgreSQL door: what Excel, Tableau and SAS would use.
# Not about writing, and not about parameters, which RODBC does not have.

library(RODBC)

year <- 1999
failed <- 0

check <- function(what, body) {
  reason <- tryCatch({ force(body); NULL }, error = function(e) conditionMessage(e))
  if (is.null(reason)) {
    cat("ok odbc: ", what, "\n", sep = "")
  } else {
    failed <<- failed + 1
    cat("FAILED odbc: ", what, " — ", substr(gsub("\\s+", " ", reason), 1, 300), "\n", sep = "")
  }
}

must <- function(holds, why) if (!isTRUE(holds)) stop(why)

open <- function(user = "ada", password = Sys.getenv("GRAUNT_ADA")) {
  odbcDriverConnect(paste0(
    "Driver={PostgreSQL Unicode};Server=", Sys.getenv("GRAUNT_PG_HOST"),
    ";Port=", Sys.getenv("GRAUNT_PG_PORT"), ";Database=", Sys.getenv("GRAUNT_POPULATION"),
    ";Uid=", user, ";Pwd=", password
  ))
}

typed <- paste(
  "SELECT CASE WHEN gender_concept_id = 8507 THEN 'men' ELSE 'women' END AS sex,",
  "COUNT(*) AS n, AVG(year_of_birth) AS born FROM person",
  "WHERE year_of_birth <", year, "GROUP BY 1 ORDER BY 1"
)

channel <- NULL
check("connects", {
  channel <- suppressWarnings(open())
  must(inherits(channel, "RODBC"), "not connected")
})
if (!inherits(channel, "RODBC")) quit(status = 1)

check("lists tables and columns", {
  must("person" %in% sqlTables(channel)$TABLE_NAME, "no person")
  columns <- sqlColumns(channel, "person")
  must("gender_concept_id" %in% columns$COLUMN_NAME, "no column")
  must("int8" %in% columns$TYPE_NAME, "no int8")
})
check("a count by sex has text and numbers", {
  first <- sqlQuery(channel, typed, stringsAsFactors = FALSE)
  must(is.data.frame(first), paste(first, collapse = " "))
  must(identical(first$sex, c("men", "women")) && all(first$n > 1000), "other rows")
})
check("the same question again gives the same answer", {
  again <- sqlQuery(channel, typed, stringsAsFactors = FALSE)
  must(isTRUE(all.equal(again, first)), "another answer")
})
check("a refusal shows its code", {
  told <- paste(sqlQuery(channel, "SELECT * FROM person"), collapse = " ")
  must(grepl("[R-ROWS]", told, fixed = TRUE), told)
})
check("an exhausted budget is explained", {
  tiny <- open("tiny", Sys.getenv("GRAUNT_TINY"))
  told <- paste(sqlQuery(tiny, sub(year, year - 20, typed, fixed = TRUE)), collapse = " ")
  must(grepl("[exhausted]", told, fixed = TRUE), told)
  close(tiny)
})
close(channel)
quit(status = if (failed > 0) 1 else 0)
