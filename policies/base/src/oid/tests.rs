//! The vectors of console-api.md, section 4, and what may not decode.

use proptest::prelude::*;

use super::*;

fn text<T: Oid>(row: i64) -> String {
    T::new(row).expect("a row number").to_string()
}

fn check<T: Oid + std::fmt::Debug>(expected: [&str; 3]) {
    for (row, expected) in [1, 2, 1000].into_iter().zip(expected) {
        assert_eq!(text::<T>(row), expected);
        assert_eq!(expected.parse::<T>().map(T::row), Ok(row));
    }
}

#[test]
fn ids_are_those_of_the_reference() {
    check::<StaticSecretId>(["ssr_kxIQLCuJ", "ssr_5v76bSur", "ssr_rRm8kDX9"]);
    check::<GcpAuthSecretId>(["gas_d7nzfeDO", "gas_IUGwQISc", "gas_grCqSjRQ"]);
    check::<GcpIdTokenSecretId>(["gid_vDERVphi", "gid_w8uTOEQf", "gid_4p3kNsbF"]);
    check::<AwsAuthSecretId>(["aas_bFlFTaBo", "aas_NRmL2Kn0", "aas_i6JM4wtP"]);
    check::<OauthTokenSecretId>(["ots_3EZCw9yq", "ots_aQkpN0FR", "ots_erXUUu41"]);
    check::<PgDsnSecretId>(["pgs_Rg2gJMTm", "pgs_G6NQUIXx", "pgs_iAsk7QH8"]);
    check::<HmacSecretId>(["hms_v6ctzCE8", "hms_EnR7cVfZ", "hms_687xm4y6"]);
    check::<BrokerCredentialId>(["bcr_9M4ZKJbu", "bcr_aqYHqcEe", "bcr_yQGFbADK"]);
    check::<OauthAppId>(["oap_5orZbcpF", "oap_c3AM17dk", "oap_p0QvsStT"]);
    check::<PrincipalId>(["prn_5CO4fITZ", "prn_4OgdAYTJ", "prn_AJxF0Qkg"]);
    check::<RoleId>(["role_1Uc5uCJR", "role_E7oP5Nps", "role_HFGBzQ2f"]);
    check::<AssignmentId>(["prole_pMqXky3F", "prole_ghtSONUB", "prole_TZrff0zG"]);
    check::<GrantId>(["grant_VURnYeSg", "grant_dhzRNiku", "grant_rFUYNKuC"]);
    check::<ApiKeyId>(["ak_a8GHKFtL", "ak_i27htjpF", "ak_Rs16U2pl"]);
    check::<ProxyId>(["prx_42w9YMR0", "prx_qXPUoAW8", "prx_xPwegLdp"]);
    check::<UserId>(["usr_dYD6GVBm", "usr_pasnJ458", "usr_XlIqU6DV"]);
    check::<IdentityId>(["usid_CtWtCVgU", "usid_mtCDNtlh", "usid_1e7537Ou"]);
    check::<SourceId>(["scs_4Y7Zt1QS", "scs_puhi8Wa7", "scs_3Qka0fo2"]);
    check::<RuleId>(["rqr_EX3xqGS3", "rqr_jS0zKCbg", "rqr_hLJFwUEO"]);
    check::<McpClientId>(["moc_6DEUvZc8", "moc_UBzjdAOt", "moc_7V6d8Bah"]);
    check::<McpCodeId>(["moa_Gmnvpb52", "moa_J7Pb6BL9", "moa_sLEi3T0R"]);
    check::<McpRefreshId>(["mor_cOvXWuh1", "mor_nqUP6w50", "mor_lvqTDP0b"]);
}

#[test]
fn large_ids_are_those_of_the_reference() {
    assert_eq!(text::<StaticSecretId>(1_000_000_000), "ssr_myLiJKp9");
    assert_eq!(text::<PrincipalId>(1_000_000_000), "prn_yox2hPdW");
    assert_eq!(text::<GrantId>(1_000_000_000), "grant_yjAv6ueH");
    assert_eq!(text::<StaticSecretId>(i64::MAX), "ssr_sMmHzf8XdQuL");
    assert_eq!(text::<BrokerCredentialId>(i64::MAX), "bcr_MKuQHoqO2Sc5");
    assert_eq!("ssr_sMmHzf8XdQuL".parse::<StaticSecretId>().map(Oid::row), Ok(i64::MAX));
}

#[test]
fn codes_avoid_the_words_that_the_library_avoids() {
    let build = |words: bool| {
        let builder = Sqids::builder().alphabet(alphabet("grant")).min_length(MIN_CODE_LENGTH);
        if words { builder } else { builder.blocklist(HashSet::new()) }.build().expect("an alphabet")
    };
    let (library, without) = (build(true), build(false));
    let mut avoided = 0;
    for row in (1..20_000).chain((1..2_000).map(|row| row * 4_611_686_018_427_387)) {
        let numbers = [u64::try_from(row).expect("above zero")];
        let code = library.encode(&numbers).expect("a code");
        assert_eq!(text::<GrantId>(row), format!("grant_{code}"));
        assert_eq!(format!("grant_{code}").parse::<GrantId>().map(Oid::row), Ok(row));
        avoided += u32::from(without.encode(&numbers).expect("a code") != code);
    }
    assert!(avoided > 0, "otherwise this has shown nothing");
}

#[test]
fn alphabets_are_permuted_per_prefix() {
    let permuted = |prefix| alphabet(prefix).into_iter().collect::<String>();
    assert_eq!(permuted("ssr"), "5ZlTQYzbiDE4s6MBpcwSmeaCo309xvkt12ygFOrKAUNqPGH8hX7dLfVnRIJWju");
    assert_eq!(permuted("prn"), "bLupkdlBUYOi7rGzFnw0P2Jjx1MX39WRfDgATV8QoKhyqeZSt5cN4a6CsImHvE");
    assert_eq!(permuted("bcr"), "mRtkLZs5ouOdIwVl2GyqShrcBAW1eXCP9MF0fUKbigTjEJDHa4pnYN386Qxz7v");
    assert_eq!(permuted("grant"), "cWPJxOn3pmDdFZjlTXbuaE5y1SGvQste2iCRUf974kLohzV0r8gIKMBNYHq6wA");
    assert_eq!(permuted("role"), "tkhWLoaYGOq8ZES5JXpKwyidjxRMlD7BV1sC9rA4uzv3cUTg0QFH6bPefmn2NI");
}

#[test]
fn what_was_not_written_by_the_codec_does_not_decode() {
    let long = format!("prn_{}", "a".repeat(500));
    let refused = [
        "",
        "prn",
        "prn_",
        "prn_!!!",
        "prn_5CO4fIT",
        "prn_5CO4fITZ ",
        " prn_5CO4fITZ",
        "PRN_5CO4fITZ",
        "prn-5CO4fITZ",
        "role_5CO4fITZ",
        "prn_5CO4fITZ_",
        "prn_\u{e9}\u{e9}\u{e9}\u{e9}",
        "prn_00000000",
        &long,
    ];
    for text in refused {
        assert_eq!(text.parse::<PrincipalId>(), Err(OidError { prefix: "prn" }), "{text:?}");
    }
    assert!("prn_5CO4fITZ".parse::<PrincipalId>().is_ok());
}

#[test]
fn a_code_does_not_denote_the_same_row_under_another_prefix() {
    let code = text::<PrincipalId>(1).replace("prn_", "ssr_");
    assert_ne!(code.parse::<StaticSecretId>().map(Oid::row), Ok(1));
}

#[test]
fn numbers_below_one_are_no_ids() {
    let zero = PrincipalId::codec().encode(0);
    assert!(zero.parse::<PrincipalId>().is_err());
    assert_eq!(PrincipalId::new(0), None);
    assert_eq!(PrincipalId::new(-1), None);
}

#[test]
fn a_claim_is_the_prefix_with_its_underscore() {
    assert!(RoleId::claims("role_") && RoleId::claims("role_nonsense"));
    assert!(!RoleId::claims("role") && !RoleId::claims("roles_x") && !RoleId::claims("prole_x"));
}

#[test]
fn json_carries_the_text() {
    let id: PrincipalId = serde_json::from_str("\"prn_5CO4fITZ\"").expect("an id");
    assert_eq!(serde_json::to_string(&id).expect("a text"), "\"prn_5CO4fITZ\"");
    assert!(serde_json::from_str::<PrincipalId>("\"prn_x\"").is_err());
    assert!(serde_json::from_str::<PrincipalId>("7").is_err());
}

proptest! {
    #[test]
    fn every_row_survives_its_text(row in 1..=i64::MAX) {
        let text = text::<GrantId>(row);
        prop_assert!((14..=18).contains(&text.len()));
        prop_assert_eq!(text.parse::<GrantId>().map(Oid::row), Ok(row));
    }

    #[test]
    fn garbage_never_panics(text in ".{0,40}", code in "[A-Za-z0-9]{0,24}") {
        let _ = text.parse::<GrantId>();
        let _ = format!("grant_{text}").parse::<GrantId>();
        if let Ok(id) = format!("grant_{code}").parse::<GrantId>() {
            prop_assert_eq!(id.to_string(), format!("grant_{code}"));
        }
    }
}
