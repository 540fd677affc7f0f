use super::*;
use futures::FutureExt;
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;

const PATIENCE: Duration = Duration::from_secs(60);

type Pending = Pin<Box<dyn Future<Output = Result<Seat, Rejection>>>>;

fn level(seats: usize, queuing: Option<(usize, usize, usize)>) -> Arc<Level> {
    let queuing = queuing.map(|(queues, hand, length)| Queuing { queues, hand, length });
    Level::new(Limits { seats: Some(seats), queuing })
}

fn ask(level: &Arc<Level>, flow: u64) -> Pending {
    let level = level.clone();
    // Not held back by the runtime: these tests look at more than a task may at a time.
    Box::pin(tokio::task::unconstrained(async move { level.seat(flow, PATIENCE).await }))
}

fn now(pending: &mut Pending) -> Option<Result<Seat, Rejection>> {
    pending.as_mut().now_or_never()
}

/// Numbers that look like chance and are the same each time.
fn chance(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

fn hash(state: &mut u64) -> u64 {
    chance(state) << 33 ^ chance(state)
}

#[test]
fn hands_are_distinct_cards_of_the_deck() {
    let mut state = 1;
    let mut seen = BTreeSet::new();
    for _ in 0..2_000 {
        let (hash, mut hand) = (hash(&mut state), [0; 6]);
        let dealt = deal(hash, 64, &mut hand).to_vec();
        assert_eq!(dealt.iter().collect::<BTreeSet<_>>().len(), 6, "{dealt:?}");
        assert!(dealt.iter().all(|it| *it < 64), "{dealt:?}");
        seen.extend(dealt);
    }
    assert_eq!(seen.len(), 64);
    assert_eq!(deal(5, 2, &mut [0; 6]).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn without_queues_the_next_is_refused() {
    let level = level(1, None);
    let seat = ask(&level, 1).await.unwrap();
    assert_eq!(ask(&level, 1).await.unwrap_err(), Rejection::ConcurrencyLimit);
    drop(seat);
    assert!(ask(&level, 1).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_and_a_long_wait_ends() {
    let level = level(1, Some((1, 1, 2)));
    let _seat = ask(&level, 1).await.unwrap();
    let (mut first, mut second) = (ask(&level, 1), ask(&level, 1));
    assert!(now(&mut first).is_none() && now(&mut second).is_none());
    assert_eq!(ask(&level, 1).await.unwrap_err(), Rejection::QueueFull);
    // One who went away makes room.
    drop(second);
    let mut third = ask(&level, 1);
    assert!(now(&mut third).is_none());
    assert_eq!(first.await.unwrap_err(), Rejection::TimeOut);
}

#[tokio::test(start_paused = true)]
async fn seats_of_those_who_went_away_go_on() {
    let level = level(1, Some((4, 1, 10)));
    let seat = ask(&level, 1).await.unwrap();
    let mut gone: Vec<_> = (0..5).map(|flow| ask(&level, flow)).collect();
    assert!(gone.iter_mut().all(|it| now(it).is_none()));
    let mut last = ask(&level, 9);
    assert!(now(&mut last).is_none());
    drop(gone);
    drop(seat);
    let seat = now(&mut last).unwrap().unwrap();
    // It had the seat given, but never looked.
    let mut unlucky = ask(&level, 1);
    assert!(now(&mut unlucky).is_none());
    drop(seat);
    assert_eq!(level.load().executing, 1);
    drop(unlucky);
    assert_eq!((level.load().executing, level.load().waiting), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn limits_change_under_those_who_run_and_wait() {
    let level = level(2, Some((8, 2, 10)));
    let mut running = vec![ask(&level, 1).await.unwrap(), ask(&level, 2).await.unwrap()];
    let mut waiting: Vec<_> = (0..6).map(|flow| ask(&level, flow)).collect();
    assert!(waiting.iter_mut().all(|it| now(it).is_none()));
    let queuing = Some(Queuing { queues: 3, hand: 1, length: 10 });
    level.limit(Limits { seats: Some(4), queuing });
    waiting.retain_mut(|it| match now(it) {
        Some(seat) => {
            running.push(seat.unwrap());
            false
        }
        None => true,
    });
    assert_eq!((running.len(), waiting.len()), (4, 4));
    level.limit(Limits { seats: Some(1), queuing: None });
    running.truncate(1);
    assert!(waiting.iter_mut().all(|it| now(it).is_none()));
    running.clear();
    level.limit(Limits { seats: None, queuing: None });
    assert!(waiting.iter_mut().all(|it| now(it).is_some()));
}

/// Whatever comes, goes away or ends: no more run than there are seats, and nobody waits beside a free seat.
#[tokio::test(start_paused = true)]
async fn no_level_exceeds_its_seats() {
    for seed in 0..200 {
        let mut state = seed;
        let seats = usize::try_from(chance(&mut state) % 5 + 1).unwrap();
        let level = level(seats, Some((8, 3, 4)));
        let (mut running, mut waiting) = (Vec::new(), Vec::<Pending>::new());
        for _ in 0..300 {
            match chance(&mut state) % 4 {
                0 | 1 => {
                    let flow = (chance(&mut state) % 6).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                    waiting.push(ask(&level, flow));
                }
                2 if !running.is_empty() => drop(running.swap_remove(chance(&mut state) as usize % running.len())),
                3 if !waiting.is_empty() => drop(waiting.swap_remove(chance(&mut state) as usize % waiting.len())),
                _ => {}
            }
            waiting.retain_mut(|it| match now(it) {
                Some(Ok(seat)) => {
                    running.push(seat);
                    false
                }
                Some(Err(rejection)) => {
                    assert_eq!(rejection, Rejection::QueueFull);
                    false
                }
                None => true,
            });
            assert!(running.len() <= seats);
            assert_eq!(level.load().executing, running.len());
            assert!(waiting.is_empty() || running.len() == seats);
        }
        drop((running, waiting));
        assert_eq!(level.load().executing, 0);
    }
}

/// A flood of one flow fills its own hand; whoever has a queue of its own is served within as many turns as there are
/// queues in that hand.
#[tokio::test(start_paused = true)]
async fn no_flow_starves_beside_a_flood() {
    let mut state = 7;
    for _ in 0..100 {
        let level = level(2, Some((128, 6, 50)));
        let flood = hash(&mut state);
        let mut running = vec![ask(&level, flood).await.unwrap(), ask(&level, flood).await.unwrap()];
        let mut waiting: Vec<_> = (0..300).map(|_| ask(&level, flood)).collect();
        waiting.retain_mut(|it| now(it).is_none());
        let mut other = ask(&level, hash(&mut state));
        assert!(now(&mut other).is_none());
        let mut turns = 0;
        let seat = loop {
            drop(running.remove(0));
            turns += 1;
            assert!(turns <= 8, "the other flow waits for too long");
            if let Some(seat) = now(&mut other) {
                break seat.unwrap();
            }
            waiting.retain_mut(|it| match now(it) {
                Some(seat) => {
                    running.push(seat.unwrap());
                    false
                }
                None => true,
            });
        };
        drop(seat);
    }
}
