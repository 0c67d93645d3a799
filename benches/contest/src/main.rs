//! Graunt beside plain DataFusion on the same records, one process a measurement, for `contest.py`.
//!
//! ```text
//! contest make q0|join|keys|tpch|peers ROWS DIR     records, as an attested extract
//! contest ask graunt|datafusion DATA QUERY DIR RUNS  {"seconds": […], "peak_mib": n, "rows": n, …}
//! contest ask HOST:PORT DATA QUERY DIR RUNS          the same by a cluster; GRAUNT_TLS names a
//!                                                    directory with the certificate
//! contest sql DATA QUERY                             the text that everybody is asked
//! contest encodings EXTRACT                          what each column costs under each encoding
//! ```

mod ask;
mod encodings;
mod make;
mod queries;
mod tables;
mod tpch;
mod upload;

use std::path::Path;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["make", data, rows, directory] => make::run(data, rows, Path::new(directory)),
        ["ask", system, data, query, directory, runs] => {
            ask::run(system, (data, query), Path::new(directory), runs.parse()?)
        }
        ["encodings", extract] => encodings::run(Path::new(extract)),
        ["sql", data, query] => {
            println!("{}", queries::find(data, query)?.sql);
            Ok(())
        }
        _ => Err("contest make|ask|sql …, as its opening says".into()),
    }
}
