//! Many at once: nothing is given twice, nothing is refused that could be done.

use crate::common::{World, some};
use aws_model::ec2::*;
use std::collections::BTreeSet;
use std::sync::Arc;

const CLIENTS: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_clients_share_out_a_subnet_to_its_last_address() {
    let world = Arc::new(World::new());
    let vpc = world.vpc("10.0.0.0/16").await;
    let subnet = world.subnet(&vpc, "10.0.0.0/27", "ap-northeast-2a").await;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let (world, subnet) = (world.clone(), subnet.clone());
        clients.push(tokio::spawn(async move {
            let mut got = Vec::new();
            loop {
                let input = CreateNetworkInterfaceRequest { subnet_id: some(&subnet), ..Default::default() };
                match world.ec2.create_network_interface(&world.ctx, input).await {
                    Ok(made) => got.push(made.network_interface.unwrap().private_ip_address.unwrap()),
                    Err(fault) => return (got, fault),
                }
            }
        }));
    }
    let mut all = Vec::new();
    for client in clients {
        let (got, fault) = client.await.unwrap();
        assert_eq!(fault.code, "InsufficientFreeAddressesInSubnet");
        all.extend(got);
    }
    let distinct: BTreeSet<_> = all.iter().collect();
    assert_eq!((all.len(), distinct.len()), (27, 27), "32 addresses less AWS's five, each once");
    for kept in ["10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.31"] {
        assert!(!all.iter().any(|it| it == kept), "{kept}");
    }
    assert_eq!(world.free(&subnet).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_clients_launch_instances_with_numbers_and_public_addresses_of_their_own() {
    let world = Arc::new(World::new());
    let subnets = world.ec2.describe_subnets(&world.ctx, Default::default()).await.unwrap().subnets.unwrap();
    let subnet = subnets[0].subnet_id.clone().unwrap();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let (world, subnet) = (world.clone(), subnet.clone());
        clients.push(tokio::spawn(async move { world.run(world.launch(&subnet)).await }));
    }
    let mut public = BTreeSet::new();
    for client in clients {
        public.insert(client.await.unwrap().public_ip_address.unwrap());
    }
    assert_eq!(public.len(), CLIENTS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_ten_who_make_the_same_group_one_wins() {
    let world = Arc::new(World::new());
    let vpc = world.vpc("10.0.0.0/16").await;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let (world, vpc) = (world.clone(), vpc.clone());
        clients.push(tokio::spawn(async move {
            let input = CreateSecurityGroupRequest {
                vpc_id: some(&vpc),
                group_name: some("one"),
                description: some("d"),
                ..Default::default()
            };
            world.ec2.create_security_group(&world.ctx, input).await
        }));
    }
    let mut won = 0;
    for client in clients {
        match client.await.unwrap() {
            Ok(_) => won += 1,
            Err(fault) => assert_eq!(fault.code, "InvalidGroup.Duplicate"),
        }
    }
    assert_eq!(won, 1);
}
