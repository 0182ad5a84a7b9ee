//! What is run with each input, a file for each subject.

pub mod engine_steps;
pub mod esp_packets;
pub mod files;
pub mod ike_datagrams;
pub mod ike_encrypted;
pub mod ike_fragments;
mod ike_side;
pub mod l2tp_messages;
pub mod l2tp_tunnel;
pub mod natt;
pub mod offload;
pub mod packets;
pub mod payloads;
pub mod plane;
pub mod ppp_frames;
pub mod ppp_link;
