//! Clients of the three doors, and what each makes of an answer and of a refusal.

use arrow::array::RecordBatch;
use arrow_flight::sql::client::FlightSqlServiceClient;
use futures::TryStreamExt as _;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};
use tonic::transport::{Channel, Endpoint};

use super::House;

/// A failure as a client sees it: the code, the message, what to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Refused {
    pub(super) code: String,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// The cells of an answer, as text.
pub(super) type Cells = Vec<Vec<String>>;

/// Asks by the wire protocol of PostgreSQL.
pub(super) async fn by_postgres(house: &House, name: &str, sql: &str) -> Result<Cells, Refused> {
    let client = postgres(house, name, house.password(name)).await.unwrap();
    simply(&client, sql).await
}

/// Logs in by the wire protocol of PostgreSQL.
pub(super) async fn postgres(
    house: &House,
    name: &str,
    password: &str,
) -> Result<Client, tokio_postgres::Error> {
    let (host, port) = house.door("postgres").split_once(':').unwrap();
    let mut config = tokio_postgres::Config::new();
    let config = config.host(host).port(port.parse().unwrap()).user(name).password(password);
    let (client, connection) = config.dbname("town").connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Asks in one text.
pub(super) async fn simply(client: &Client, sql: &str) -> Result<Cells, Refused> {
    let told = client.simple_query(sql).await.map_err(|error| {
        let error = error.as_db_error().expect("an error of the server's").clone();
        refused(error.message(), error.hint().map(str::to_owned))
    })?;
    let mut cells = Cells::new();
    for message in told {
        if let SimpleQueryMessage::Row(row) = message {
            let cell = |i| row.get(i).unwrap_or_default().to_owned();
            cells.push((0..row.len()).map(cell).collect());
        }
    }
    Ok(cells)
}

fn refused(line: &str, hint: Option<String>) -> Refused {
    let (code, message) = line.trim_start_matches('[').split_once("] ").unwrap_or(("", line));
    Refused { code: code.to_owned(), message: message.to_owned(), hint }
}

/// Asks by Arrow Flight SQL.
pub(super) async fn by_flight(house: &House, name: &str, sql: &str) -> Result<Cells, Refused> {
    let mut client = flight(house, name, house.password(name)).await?;
    let batches = fetched(&mut client, sql).await?;
    Ok(batches.iter().flat_map(cells).collect())
}

/// Logs in by Arrow Flight SQL.
pub(super) async fn flight(
    house: &House,
    name: &str,
    password: &str,
) -> Result<FlightSqlServiceClient<Channel>, Refused> {
    let uri = format!("http://{}", house.door("flight"));
    let channel = Endpoint::from_shared(uri).unwrap().connect().await.unwrap();
    let mut client = FlightSqlServiceClient::new(channel);
    client.handshake(name, password).await.map_err(|error| by_line(&error.to_string()))?;
    Ok(client)
}

pub(super) async fn fetched(
    client: &mut FlightSqlServiceClient<Channel>,
    sql: &str,
) -> Result<Vec<RecordBatch>, Refused> {
    let info = client.execute(sql.to_owned(), None).await;
    let info = info.map_err(|error| by_line(&error.to_string()))?;
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    let rows = client.do_get(ticket).await.map_err(|error| by_line(&error.to_string()))?;
    rows.try_collect().await.map_err(|error| by_line(&error.to_string()))
}

/// A refusal from the text of a status, whatever the client wrote around it.
fn by_line(text: &str) -> Refused {
    let text = text.replace("\\n", "\n").replace("\\\"", "\"");
    let at = text.find('[').unwrap_or_else(|| panic!("no code: {text}"));
    let mut lines = text[at..].split('\n');
    let first = lines.next().unwrap().trim_end_matches(['"', ',', ' ']);
    let first = first.split("\", details").next().unwrap();
    let hint = lines.find_map(|line| line.trim().strip_prefix("hint: ").map(str::to_owned));
    let hint = hint.map(|hint| hint.split("\", ").next().unwrap().trim_end_matches('"').to_owned());
    refused(first, hint)
}

fn cells(batch: &RecordBatch) -> Cells {
    let text = |array: &arrow::array::ArrayRef, row| {
        arrow::util::display::array_value_to_string(array, row).unwrap()
    };
    let row = |row| batch.columns().iter().map(|array| text(array, row)).collect();
    (0..batch.num_rows()).map(row).collect()
}

/// Asks by the page.
pub(super) fn by_page(house: &House, name: &str, sql: &str) -> Result<Cells, Refused> {
    let cookie = cookie(house, name, house.password(name))?;
    let asked = json!({ "sql": sql, "id": "one" });
    let (status, told) = posted(house, "/api/ask", &asked, &cookie);
    if status != 200 {
        return Err(by_json(&told));
    }
    let names: Vec<&str> =
        told["columns"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let cell = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let row = |row: &Value| names.iter().map(|name| cell(&row[name])).collect();
    Ok(told["rows"].as_array().unwrap().iter().map(row).collect())
}

/// Logs in to the page.
pub(super) fn cookie(house: &House, name: &str, password: &str) -> Result<String, Refused> {
    let login = json!({ "analyst": name, "password": password });
    let reply = sent(house, "POST", "/api/login", "x-graunt: 1\r\n", Some(&login));
    let (status, told) = read(&reply);
    if status != 200 {
        return Err(by_json(&told));
    }
    let at = reply.find("graunt=").unwrap();
    Ok(reply[at..].split(';').next().unwrap().to_owned())
}

/// Whom the page takes the bearer of a cookie for.
pub(super) fn who(house: &House, cookie: &str) -> Value {
    let header = format!("cookie: {cookie}\r\n");
    read(&sent(house, "GET", "/api/me", &header, None)).1["analyst"].clone()
}

fn by_json(told: &Value) -> Refused {
    let text = |key: &str| told["error"][key].as_str().map(str::to_owned);
    Refused { code: text("code").unwrap(), message: text("message").unwrap(), hint: text("hint") }
}

/// Sends JSON to the page.
pub(super) fn posted(house: &House, path: &str, body: &Value, cookie: &str) -> (u16, Value) {
    let headers = format!("x-graunt: 1\r\ncookie: {cookie}\r\n");
    read(&sent(house, "POST", path, &headers, Some(body)))
}

/// Sends a request to the page, and gives the whole reply.
pub(super) fn sent(
    house: &House,
    method: &str,
    path: &str,
    headers: &str,
    body: Option<&Value>,
) -> String {
    let host = house.door("url").trim_start_matches("http://");
    let body = body.map(Value::to_string).unwrap_or_default();
    let kind = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{kind}content-length: \
         {length}\r\n{headers}\r\n{body}"
    );
    let mut stream = TcpStream::connect(host).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

/// The status and the JSON of a reply.
pub(super) fn read(reply: &str) -> (u16, Value) {
    let status = reply.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let body = reply.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}
