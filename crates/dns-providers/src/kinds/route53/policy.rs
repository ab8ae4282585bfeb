//! What a role or user has to be allowed, as IAM is told.

use serde_json::{Value as Json, json};

use super::Route53Settings;
use crate::policy::{Grant, Policy};

pub(super) fn policies<S>(settings: &Route53Settings<S>, grants: &[Grant]) -> Vec<Policy> {
    let mut statements: Vec<Json> = grants.iter().map(change).collect();
    let zones: Vec<String> = grants.iter().map(resource).collect();
    statements
        .push(json!({ "Effect": "Allow", "Action": "route53:ListResourceRecordSets", "Resource": zones }));
    statements.push(
        json!({ "Effect": "Allow", "Action": "route53:GetChange", "Resource": "arn:aws:route53:::change/*" }),
    );
    let mut title = "AWS: IAM policy".to_owned();
    if grants.iter().any(|grant| grant.zone.id.is_none()) {
        title += "; give each zone its id in the configuration, and it needs no hostedzone/* and no ListHostedZonesByName";
        statements
            .push(json!({ "Effect": "Allow", "Action": "route53:ListHostedZonesByName", "Resource": "*" }));
    }
    let document = |statements: Vec<Json>| {
        let document = json!({ "Version": "2012-10-17", "Statement": statements });
        serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
    };
    let mut policies = vec![Policy::new(title, document(statements))];
    if let Some(role) = &settings.role_arn {
        let assume = json!({ "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role });
        policies[0].title += "; of the role";
        policies.push(Policy::new("AWS: IAM policy of who assumes the role", document(vec![assume])));
    }
    policies
}

fn resource(grant: &Grant) -> String {
    let id = grant.zone.id.as_deref().map_or("*", |id| id.trim_start_matches("/hostedzone/"));
    format!("arn:aws:route53:::hostedzone/{id}")
}

fn change(grant: &Grant) -> Json {
    json!({
        "Effect": "Allow",
        "Action": "route53:ChangeResourceRecordSets",
        "Resource": resource(grant),
        "Condition": {
            "ForAllValues:StringEquals": {
                "route53:ChangeResourceRecordSetsRecordTypes": grant.types(),
                "route53:ChangeResourceRecordSetsActions": ["CREATE", "DELETE"],
            },
            "ForAllValues:StringLike": {
                "route53:ChangeResourceRecordSetsNormalizedRecordNames": grant.patterns(),
            },
        },
    })
}
