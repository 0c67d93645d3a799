//! Functions of PostgreSQL's catalogue that tell the same to everybody, and which others may be
//! called in it.

use std::ops::ControlFlow;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
    Volatility,
};
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArguments, ObjectName, Statement, TableFactor, Visit, Visitor,
};

use crate::error::{Code, Rejection};

/// The functions, on a server of this version.
pub(super) fn constants(version: &str) -> Vec<ScalarUDF> {
    let none = || ScalarValue::Utf8(None);
    let text = |text: &str| ScalarValue::Utf8(Some(text.to_owned()));
    let values = [
        ("version", text(&format!("PostgreSQL {version}"))),
        // No database has a comment, and no table an index, a constraint or a sequence.
        ("shobj_description", none()),
        ("pg_get_viewdef", none()),
        ("pg_get_indexdef", none()),
        ("pg_get_constraintdef", none()),
        ("pg_get_serial_sequence", none()),
        ("pg_get_function_result", none()),
        ("pg_get_function_arguments", none()),
        ("pg_get_function_identity_arguments", none()),
        ("pg_get_function_sqlbody", none()),
        ("pg_get_ruledef", none()),
        ("pg_get_triggerdef", none()),
        ("json_build_object", none()),
        ("current_setting", none()),
        // How large tables are is nobody's to know.
        ("pg_size_pretty", none()),
        ("pg_table_size", ScalarValue::Int64(None)),
        ("pg_database_size", ScalarValue::Int64(None)),
        ("pg_tablespace_size", ScalarValue::Int64(None)),
        ("pg_tablespace_location", none()),
        ("to_regtype", ScalarValue::Int32(None)),
        ("to_regclass", ScalarValue::Int32(None)),
        ("pg_my_temp_schema", ScalarValue::Int32(Some(0))),
        ("pg_is_in_recovery", ScalarValue::Boolean(Some(false))),
        ("getdatabaseencoding", text("UTF8")),
        // The number of UTF-8.
        ("pg_char_to_encoding", ScalarValue::Int32(Some(6))),
    ];
    let always = TRUE.iter().map(|name| (*name, ScalarValue::Boolean(Some(true))));
    let function = |(name, value)| ScalarUDF::new_from_impl(Constant::new(name, value));
    values.into_iter().chain(always).map(function).collect()
}

/// Sees that a statement calls only what catalogue queries need: others may take any memory or
/// time that they are asked to.
///
/// # Errors
/// `R-FUNCTION` for any other function, and for a series that is long.
pub(super) fn check(statement: &Statement) -> Result<(), Rejection> {
    match statement.visit(&mut Checker) {
        ControlFlow::Break(name) => {
            let reason = format!("the catalogue has no function {name}");
            Err(Rejection::new(Code::Function, reason))
        }
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Checker;

impl Visitor for Checker {
    type Break = String;

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<String> {
        match expr {
            Expr::Function(function) if !is_small(function) => {
                ControlFlow::Break(format!("{} of this length", function.name))
            }
            Expr::Function(function) => allowed(&function.name, &function.args.to_string()),
            Expr::Array(list) if list.elem.len() > LIST_MAX => {
                ControlFlow::Break("array of this length".to_owned())
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<String> {
        match table {
            TableFactor::Table { name, args: Some(args), .. } => {
                let args: Vec<String> = args.args.iter().map(ToString::to_string).collect();
                allowed(name, &args.join(","))
            }
            TableFactor::Function { name, args, .. } => {
                let args: Vec<String> = args.iter().map(ToString::to_string).collect();
                allowed(name, &args.join(","))
            }
            TableFactor::TableFunction { expr, .. } => ControlFlow::Break(expr.to_string()),
            _ => ControlFlow::Continue(()),
        }
    }
}

/// Whether few texts are put together, by what is short: the result is cut, but only once it is
/// there.
fn is_small(function: &Function) -> bool {
    let FunctionArguments::List(list) = &function.args else { return true };
    let name = function.name.to_string().to_ascii_lowercase();
    let joins = name.ends_with("array_to_string") || name.ends_with("string_agg");
    list.args.len() <= ARGUMENTS_MAX
        && (!joins || list.args.iter().skip(1).all(|by| by.to_string().len() <= SEPARATOR_MAX))
}

fn allowed(name: &ObjectName, arguments: &str) -> ControlFlow<String> {
    let last = name.0.last().and_then(|part| part.as_ident());
    let name = last.map(|name| name.value.to_ascii_lowercase()).unwrap_or_default();
    let mut numbers =
        arguments.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty());
    let is_short = numbers.all(|digits| digits.parse::<u64>().is_ok_and(|n| n <= SERIES_MAX));
    let is_series = name.starts_with("generate_");
    // Once, and by little, a text may become longer.
    let is_once = name == "replace" && arguments.len() < 100 && !arguments.contains("replace");
    let known = is_once
        || name.starts_with("pg_")
        || name.starts_with("has_")
        || ALLOWED.contains(&name.as_str());
    if known && (is_short || !is_series) {
        ControlFlow::Continue(())
    } else {
        ControlFlow::Break(name)
    }
}

/// Most arguments of a function.
const ARGUMENTS_MAX: usize = 20;

/// The longest text, with its quotes, that may stand between others.
const SEPARATOR_MAX: usize = 24;

/// The longest series of numbers.
const SERIES_MAX: u64 = 1_000;

/// The longest list of values: drivers send the words of SQL, some four hundred.
pub(super) const LIST_MAX: usize = 1_000;

/// Functions that say yes: nothing is hidden from anybody, and there is nothing that could be.
const TRUE: &[&str] = &[
    "has_column_privilege",
    "has_function_privilege",
    "has_sequence_privilege",
    "has_type_privilege",
    "pg_collation_is_visible",
    "pg_conversion_is_visible",
    "pg_function_is_visible",
    "pg_operator_is_visible",
    "pg_opclass_is_visible",
    "pg_opfamily_is_visible",
    "pg_ts_config_is_visible",
    "pg_ts_dict_is_visible",
    "pg_ts_parser_is_visible",
    "pg_ts_template_is_visible",
    "pg_type_is_visible",
];

/// Functions that catalogue queries of clients call. Those whose results may be longer than what
/// they are given are cut.
const ALLOWED: &[&str] = &[
    "array",
    "array_agg",
    "array_length",
    "array_lower",
    "array_position",
    "array_to_string",
    "array_upper",
    "avg",
    "bool_and",
    "bool_or",
    "btrim",
    "cardinality",
    "char_length",
    "coalesce",
    "col_description",
    "concat",
    "count",
    "current_catalog",
    "current_database",
    "current_schema",
    "current_schemas",
    "current_setting",
    "current_user",
    "format_type",
    "generate_series",
    "generate_subscripts",
    "getdatabaseencoding",
    "json_build_object",
    "left",
    "length",
    "lower",
    "max",
    "min",
    "now",
    "nullif",
    "obj_description",
    "position",
    "quote_ident",
    "right",
    "row_number",
    "session_user",
    "shobj_description",
    "split_part",
    "string_agg",
    "strpos",
    "substr",
    "substring",
    "sum",
    "to_regclass",
    "to_regtype",
    "trim",
    "unnest",
    "upper",
    "user",
    "version",
];

/// A function that takes anything, and always gives the same.
#[derive(Debug, Eq, Hash, PartialEq)]
struct Constant {
    name: &'static str,
    value: ScalarValue,
    signature: Signature,
}

impl Constant {
    fn new(name: &'static str, value: ScalarValue) -> Self {
        let anything = vec![TypeSignature::Nullary, TypeSignature::VariadicAny];
        Self { name, value, signature: Signature::one_of(anything, Volatility::Stable) }
    }
}

impl ScalarUDFImpl for Constant {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(self.value.data_type())
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        Ok(ColumnarValue::Scalar(self.value.clone()))
    }
}
