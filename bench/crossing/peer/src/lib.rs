//! The usual way of calling a native step from a Python pipeline, for comparison:
//! per message json.dumps in Python, serde in Rust, the step, serde, json.loads.

use std::collections::BTreeMap;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Metric {
    org_id: u64,
    project_id: u64,
    name: String,
    tags: BTreeMap<String, String>,
    timestamp: i64,
    retention_days: i64,
    #[serde(rename = "type")]
    kind: String,
    value: f64,
    #[serde(default)]
    transformed: bool,
}

#[derive(Serialize, Deserialize)]
struct Link {
    trace_id: String,
    span_id: String,
    sampled: bool,
    attributes: BTreeMap<String, serde_json::Value>,
}

#[derive(Serialize, Deserialize)]
struct Span {
    organization_id: u64,
    project_id: u64,
    trace_id: String,
    span_id: String,
    parent_span_id: Option<String>,
    name: String,
    status: String,
    is_remote: bool,
    start_timestamp: f64,
    end_timestamp: f64,
    retention_days: i64,
    received: f64,
    attributes: BTreeMap<String, Attribute>,
    links: Vec<Link>,
    meta: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
struct Attribute {
    #[serde(rename = "type")]
    kind: String,
    value: serde_json::Value,
}

fn call<T, F>(py: Python<'_>, message: &Bound<'_, PyAny>, step: F) -> PyResult<Py<PyAny>>
where
    T: Serialize + for<'de> Deserialize<'de> + Send,
    F: FnOnce(&mut T) + Send,
{
    let json = py.import("json")?;
    let payload = message.getattr("payload")?;
    let text: String = json.call_method1("dumps", (payload,))?.extract()?;
    let mut value: T =
        serde_json::from_str(&text).map_err(|e| PyValueError::new_err(e.to_string()))?;
    // Headers and timestamp are fetched for every message, as such a wrapper does.
    message.getattr("headers")?;
    message.getattr("timestamp")?;
    let out = py.detach(move || {
        step(&mut value);
        serde_json::to_string(&value)
    });
    let out = out.map_err(|e| PyValueError::new_err(e.to_string()))?;
    Ok(json.call_method1("loads", (out,))?.unbind())
}

#[pyfunction]
fn transform(py: Python<'_>, message: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    call::<Metric, _>(py, message, |m| m.transformed = true)
}

#[pyfunction]
fn touch_span(py: Python<'_>, message: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    call::<Span, _>(py, message, |s| s.is_remote = true)
}

#[pymodule]
fn peer(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(transform, m)?)?;
    m.add_function(wrap_pyfunction!(touch_span, m)?)?;
    Ok(())
}
