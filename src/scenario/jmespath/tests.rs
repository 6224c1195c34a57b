//! Expressions and what they come to.

use serde_json::{Value, json};

use super::*;

#[track_caller]
fn check(text: &str, of: &Value, wanted: Value) {
    let scope = Scope::default().with("a", json!(1)).with("pod", json!({"name": "web"}));
    let found = Expression::compile(text).and_then(|e| e.search(of, &scope, &Nowhere));
    assert_eq!(found, Ok(wanted), "{text}");
}

#[test]
fn parts_of_values_are_found() {
    let of = json!({"a": {"b": [1, 2, {"c": "x"}]}, "key with": 2, "n": null});
    check("a.b[0]", &of, json!(1));
    check("a.b[-1].c", &of, json!("x"));
    check("\"key with\"", &of, json!(2));
    check("a.b[*].c", &of, json!(["x"]));
    check("a.b[1:]", &of, json!([2, {"c": "x"}]));
    check("a.b[::-1] | [2]", &of, json!(1));
    check("a.missing.more", &of, Value::Null);
    check("a.missing.[x]", &of, Value::Null);
    check("[a.missing, 'x']", &Value::Null, json!([null, "x"]));
    check("{x: a.b[0], y: 'z'}", &of, json!({"x": 1, "y": "z"}));
    check("[a.b[0], `true`, @.n]", &of, json!([1, true, null]));
    check("a.*[0]", &of, json!([1]));
    check("$.a.b[1]", &of, json!(2));
}

#[test]
fn projections_filter_and_flatten() {
    let of = json!({"conditions": [{"type": "A", "status": "True"}, {"type": "B", "status": "False"}],
        "nested": [[1, 2], [3], 4], "containers": [{"env": [{"n": 1}]}, {"env": [{"n": 2}, {"n": 3}]}]});
    check("conditions[?type == 'A'].status", &of, json!(["True"]));
    check("conditions[?type == 'A' && status == 'True'] | length(@)", &of, json!(1));
    check("nested[]", &of, json!([1, 2, 3, 4]));
    check("containers[].env[].n", &of, json!([1, 2, 3]));
    check("containers[*].env[*].n", &of, json!([[1], [2, 3]]));
    check("length(conditions[?status != 'True'])", &of, json!(1));
    check("sort_by(conditions, &type)[1].type", &of, json!("B"));
    check("map(&type, conditions)", &of, json!(["A", "B"]));
    check("group_by(conditions, &status).True[0].type", &of, json!("A"));
}

#[test]
fn variables_and_arithmetic_bind_as_people_expect() {
    let of = json!({"x": 5, "replicas": 3, "ready": 3});
    check("$a + `2` * x", &of, json!(11));
    check("($a + `2`) * x", &of, json!(15));
    check("x - 1", &of, json!(4));
    check("x / `2`", &of, json!(2.5));
    check("x // `2`", &of, json!(2));
    check("x % `2` == `1`", &of, json!(true));
    check("$pod.name", &of, json!("web"));
    check("replicas == ready && replicas > `1`", &of, json!(true));
    check("!(replicas == ready) || x < 3", &of, json!(false));
    check("join('-', ['n', to_string($a + `1`)])", &of, json!("n-2"));
    let missing = Expression::compile("$pof").unwrap();
    let scope = Scope::default().with("pod", json!(1));
    let why = missing.search(&of, &scope, &Nowhere).unwrap_err();
    assert!(why.contains("no binding $pof") && why.contains("$pod"), "{why}");
}

#[test]
fn functions_of_texts_lists_and_numbers_compute() {
    let of = Value::Null;
    check("split('a,b,c', ',')", &of, json!(["a", "b", "c"]));
    check("base64_decode(base64_encode('wave tank'))", &of, json!("wave tank"));
    check("trim_space('  x ')", &of, json!("x"));
    check("regex_replace_all('([a-z]+)-', 'web-0', '$1/')", &of, json!("web/0"));
    check("json_parse('{\"a\": [1]}').a[0]", &of, json!(1));
    check("parse_yaml('a: [x]').a[0]", &of, json!("x"));
    check("items({a: `1`})", &of, json!([["a", 1]]));
    check("items(`{\"a\": 1}`)", &of, json!([["a", 1]]));
    check("items(`{\"a\": 1}`, 'key', 'value')", &of, json!([{"key": "a", "value": 1}]));
    check("zip(['a', 'b'], [`1`, `2`])", &of, json!([["a", 1], ["b", 2]]));
    check("sum([`1`, `2.5`])", &of, json!(3.5));
    check("avg([`1`, `3`])", &of, json!(2));
    check("to_number('3.0')", &of, json!(3));
    check("max(['a', 'c', 'b'])", &of, json!("c"));
    check("pad_left('7', `3`, '0')", &of, json!("007"));
    check("path_canonicalize('/a//b/../c')", &of, json!("/a/c"));
    check("contains('abc', 'b') && starts_with('abc', 'a')", &of, json!(true));
    check("truncate('deployment', `6`)", &of, json!("deploy"));
    check("wildcard('web-*', 'web-0')", &of, json!(true));
}

#[test]
fn what_is_no_expression_says_where_and_what_is_not_known_is_named() {
    let wrong = |text: &str| Expression::compile(text).unwrap_err();
    assert!(wrong("a[").contains("the end"), "{}", wrong("a["));
    assert!(wrong("a b").contains("\"b\" is out of place"));
    assert!(wrong("'x").contains("is not closed"));
    assert!(wrong("lenght(a)").contains("did you mean length?"));
    assert!(wrong("x509_decode(a)").contains("x509_decode is not supported"));
    assert!(wrong("length(a, b)").contains("takes 1 arguments"));
    assert!(wrong(&"(".repeat(500)).contains("nests more than"));
    assert!(wrong(&"x".repeat(20_000)).contains("at most"));
    for text in
        ["", "]", "a.", "{", "{a}", "[?", "a[1:2:3:4]", "a[::0]", "&", "`", "$a $b", "é", "-", "()"]
    {
        assert!(Expression::compile(text).is_err(), "{text:?}");
    }
}

#[test]
fn the_work_of_an_evaluation_is_bounded() {
    let list: Vec<u32> = (0..2000).collect();
    let of = json!({"a": list});
    let text = "map(&map(&map(&@, [@]), $.a), a)";
    let found = Expression::compile(text).unwrap().search(&of, &Scope::default(), &Nowhere);
    assert!(found.unwrap_err().contains("looks at more than"));
}
