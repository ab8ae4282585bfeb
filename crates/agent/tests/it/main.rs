//! The agent's integration tests: one program, so that they link once. Each file is named for the behaviour it protects.
//!
//! They share one process. The agent under test is a process of its own, servers are children or tasks of the test that
//! needs them, on ports that the system chose; name servers on port 53 live in a network namespace that a child process
//! holds and other children enter. Nothing here changes this process's environment, folder or namespaces.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod support;

#[cfg(feature = "cloudflare")]
mod accounts_of_one_kind;
mod bad_input_changes_nothing;
#[cfg(all(feature = "azure", feature = "google"))]
mod clouds_validate_orders;
mod commands_speak_plainly;
mod death_at_every_place;
mod discovery_takes_up_what_is_ours;
mod first_contact_reads_only;
mod hostile;
mod later_settings_win;
mod logs_are_for_people_and_machines;
mod many_names_are_written_together;
mod many_orders_in_a_changing_world;
mod methods_work_side_by_side;
mod no_proof_of_a_domain_lapses;
mod no_secret_is_shown;
mod one_cname_leads_where_writing_is_allowed;
mod orders_are_validated_and_tidied_up;
mod orders_are_validated_by_files;
mod other_tools_leave_our_values;
mod papers_are_true;
#[cfg(all(feature = "rfc2136", feature = "powerdns", feature = "exec", feature = "webhook"))]
mod providers_work_side_by_side;
mod real_name_servers_are_judged;
mod records_go_to_the_chosen_name;
mod replicas_share_the_work;
mod replicas_survive_faults;
mod rooms_stand_on_floors;
mod scopes_are_found_and_proven;
mod strangers_at_the_pages;
#[cfg(feature = "vendors")]
mod ten_vendors_in_one_run;
#[cfg(all(
    feature = "rfc2136",
    feature = "route53",
    feature = "cloudflare",
    feature = "azure",
    feature = "google",
    feature = "powerdns",
    feature = "exec",
    feature = "vendors"
))]
mod the_example_configuration_loads;
mod the_ledger_is_evidence;
mod trouble_is_asked_and_told_once;
mod urgent_work_goes_first;
mod wildcard_hosts_keep_their_address;
