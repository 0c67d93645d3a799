use super::*;
#[test]
fn smoke() {
    assert_eq!(Tree::over(4096).levels(), 3);
}
