use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Blob {
    Blob::parse(text).expect("a document").expect("bootstrapped")
}

fn token(blob: &Blob) -> &str {
    blob.refresh_token.as_ref().expect("a refresh token").expose()
}

#[test]
fn a_refresh_token_is_all_that_is_needed() {
    for text in [r#"{"refresh_token":"rt-fake-1"}"#, "rt-fake-1", "  rt-fake-1\n", r#""rt-fake-1""#] {
        let blob = parse(text);
        assert_eq!(token(&blob), "rt-fake-1");
        assert!(blob.access_token.is_none() && blob.note == Note::default());
    }
    assert_eq!(token(&parse("1234567890")), "1234567890", "digits are a bare token too");
}

#[test]
fn without_one_it_is_not_bootstrapped() {
    for text in ["", "  \n", "{}", "null", r#""""#, r#"{"refresh_token":""}"#, r#"{"refresh_token":null}"#] {
        assert!(Blob::parse(text).expect("no error").is_none(), "{text:?}");
    }
}

#[test]
fn what_is_no_document_is_refused_without_being_repeated() {
    for (text, want) in [
        (r#"{"refresh_token":"rt-fake-1""#, BlobError::Json),
        (r#"{"refresh_token":7}"#, BlobError::Token),
        (r#"["rt-fake-1"]"#, BlobError::Kind),
        ("true", BlobError::Kind),
        ("two words", BlobError::Kind),
        ("rt-fake\n1", BlobError::Kind),
    ] {
        let error = Blob::parse(text).expect_err("no document");
        assert_eq!(error, want, "{text:?}");
        assert!(!error.to_string().contains("fake"));
    }
}

#[test]
fn an_access_token_counts_only_with_its_end() {
    let whole = r#"{"access_token":"at-fake-1","refresh_token":"rt-fake-1","expires_at":"2031-05-04T09:08:07Z",
                    "last_refresh":"2031-05-04T08:08:07Z"}"#;
    let blob = parse(whole);
    assert_eq!(blob.access_token.as_ref().expect("there").expose(), "at-fake-1");
    assert_eq!(moment::seconds(blob.expires_at.expect("there")), "2031-05-04T09:08:07Z");
    assert_eq!(
        &*blob.write(),
        "{\"access_token\":\"at-fake-1\",\"refresh_token\":\"rt-fake-1\",\"expires_at\":\"2031-05-04T09:08:07Z\",\
         \"last_refresh\":\"2031-05-04T08:08:07Z\",\"version\":0,\"writer\":\"\"}"
    );
    let odd = parse(r#"{"access_token":"at-fake-1","refresh_token":"rt-fake-1","expires_at":"tomorrow"}"#);
    assert!(odd.access_token.is_none() && odd.expires_at.is_none());
}

#[test]
fn foreign_members_stay_in_their_order() {
    let mut blob =
        parse(r#"{"z":{"id_token":"fake"},"refresh_token":"rt-fake-1","a":[1,"x\n"],"version":4}"#);
    blob.version += 1;
    blob.writer = "w".to_owned();
    let text = blob.write();
    assert_eq!(
        &*text,
        r#"{"refresh_token":"rt-fake-1","version":5,"writer":"w","z":{"id_token":"fake"},"a":[1,"x\n"]}"#
    );
    assert!(!format!("{blob:?}").contains("fake"), "{blob:?}");
}

#[test]
fn a_note_is_about_one_refresh_token() {
    let mut blob = parse("rt-fake-1");
    let sending =
        Sending { attempt: "a1".to_owned(), writer: "w1".to_owned(), until: Moment(1_900_000_000_000_000) };
    blob.note = Note { attempt: Some(sending), interrupted: true, dead: Some("invalid_grant".to_owned()) };
    let text = blob.write();
    assert_eq!(parse(&text).note, blob.note);
    let reseeded = text.replace("rt-fake-1", "rt-fake-2");
    assert_eq!(parse(&reseeded).note, Note::default(), "void beside another token");
    let damaged = text.replace("\"until\":\"2030", "\"until\":\"x");
    assert!(parse(&damaged).note.interrupted, "an attempt whose end cannot be read");
}

proptest! {
    #[test]
    fn whatever_is_read_is_written_and_read_again(text in "\\PC{0,200}") {
        if let Ok(Some(blob)) = Blob::parse(&text) {
            let again = parse(&blob.write());
            prop_assert_eq!(token(&again), token(&blob));
            prop_assert_eq!(again.write(), blob.write());
        }
    }
}
