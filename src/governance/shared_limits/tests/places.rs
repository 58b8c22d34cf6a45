use futures::FutureExt;
use futures::future::join_all;
use tokio::time::timeout;

use super::*;

impl Pod {
    /// A place, within a minute.
    async fn place(&self) -> SharedTurn {
        let mut counted = Counted::default();
        let turn = self.turn_in("ann", &PLACES, &mut counted, MINUTE).await;
        match turn.unwrap() {
            Shared::Now(Some(turn)) => turn,
            _ => panic!("there are places, and no rates"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn places_are_those_of_all_processes() {
    let (store, one, other) = pods();
    let first = one.place().await;
    let _second = other.place().await;
    assert_eq!(store.held(), 2);
    let mut third = Box::pin(one.place());
    assert!(timeout(MINUTE / 2, &mut third).await.is_err());
    drop(first);
    // Told by the turn that has ended, not by asking again.
    let began = Instant::now();
    let _third = third.await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(store.held(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_place_that_another_process_leaves_is_found() {
    let (store, one, other) = pods();
    let held = [one.place().await, one.place().await];
    let mut waiting = Box::pin(other.place());
    assert!(timeout(MINUTE / 2, &mut waiting).await.is_err());
    drop(held);
    let began = Instant::now();
    let _place = waiting.await;
    assert!(began.elapsed() <= LATEST);
    assert_eq!(store.held(), 1);
}

#[tokio::test(start_paused = true)]
async fn of_many_who_wait_one_asks() {
    let (store, one, _) = pods();
    let _held = [one.place().await, one.place().await];
    let before = store.count("enter");
    let waiting = join_all((0..1000).map(|_| one.place()));
    assert!(timeout(Duration::from_secs(3), waiting).await.is_err());
    let asked = store.count("enter") - before;
    assert!((3..30).contains(&asked), "{asked}");
    assert_eq!(store.count("leave"), 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_is_served_in_turn() {
    let (_, one, _) = pods();
    let mut held = vec![one.place().await, one.place().await];
    let order = Mutex::new(Vec::new());
    let waiting = join_all((0..5).map(|number| {
        let (one, order) = (&one, &order);
        async move {
            let place = one.place().await;
            order.lock().push(number);
            drop(place);
        }
    }));
    let newcomer = async {
        drop(held.pop());
        let place = one.place().await;
        order.lock().push(5);
        drop(place);
    };
    tokio::join!(waiting, newcomer);
    assert_eq!(*order.lock(), [0, 1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn who_waits_in_vain_is_told_and_leaves_nothing_behind() {
    let (store, one, _) = pods();
    let _held = [one.place().await, one.place().await];
    let began = Instant::now();
    let calls = (0..3).map(|_| async {
        let mut counted = Counted::default();
        let turn = one.turn_in("ann", &PLACES, &mut counted, MINUTE / 2).await;
        turn.err().map(|error| error.code)
    });
    assert_eq!(join_all(calls).await, [Some(Code::RateLimited); 3]);
    assert_eq!(began.elapsed(), MINUTE / 2);
    assert!(
        one.calls
            .places
            .lines
            .is_empty(r#"["server-calls","","files","2"]"#)
    );
    assert_eq!((store.held(), store.count("leave")), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_place_that_nobody_waits_for_any_more_is_given_back() {
    let (store, one, _) = pods();
    drop(one.place().await);
    tokio::time::sleep(MINUTE).await;
    store.is_now(Mood::Swallows);
    let mut leaving = Box::pin(one.place());
    assert!((&mut leaving).now_or_never().is_none());
    assert_eq!(store.held(), 1);
    store.is_now(Mood::Answers);
    drop(leaving);
    one.tasks.close();
    one.closing.cancel();
    one.tasks.wait().await;
    assert_eq!(store.held(), 0);
}

#[tokio::test(start_paused = true)]
async fn places_are_held_as_long_as_their_calls_and_their_process_last() {
    let (store, one, other) = pods();
    let _first = one.place().await;
    let second = one.place().await;
    tokio::time::sleep(3 * MINUTE).await;
    assert_eq!(store.held(), 2);
    drop(second);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(store.held(), 1);
    // As when it dies: nobody renews, and nobody leaves.
    one.closing.cancel();
    tokio::time::sleep(Duration::from_secs(16)).await;
    assert_eq!(store.held(), 0);
    let _all = [other.place().await, other.place().await];
}

#[tokio::test(start_paused = true)]
async fn renewing_ends_with_the_last_place() {
    let (store, one, _) = pods();
    drop(one.place().await);
    tokio::time::sleep(MINUTE).await;
    assert_eq!((store.count("enter"), one.tasks.len()), (1, 0));
    let _place = one.place().await;
    tokio::time::sleep(MINUTE).await;
    assert!(store.count("enter") > 10);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_before_the_store_has_done_what_it_was_asked_for() {
    let (store, one, _) = pods();
    drop(one.place().await);
    tokio::time::sleep(MINUTE).await;
    store.is_now(Mood::IsSlow);
    let leaving = timeout(Duration::from_millis(500), one.place());
    assert!(leaving.await.is_err());
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!((store.count("enter"), store.count("leave")), (2, 1));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!((store.held(), store.count("leave")), (1, 2));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((store.held(), one.tasks.len()), (0, 0));
    // One that is refused has nothing to give back.
    store.is_now(Mood::Answers);
    let _held = [one.place().await, one.place().await];
    store.is_now(Mood::IsSlow);
    let leaving = timeout(Duration::from_millis(500), one.place());
    assert!(leaving.await.is_err());
    tokio::time::sleep(MINUTE).await;
    assert_eq!((store.held(), store.count("leave")), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn no_answer_is_waited_for_longer_than_the_call_has_time() {
    let (store, one, _) = pods();
    store.is_now(Mood::IsSlow);
    let (turns, cancel) = (Turns::new(one.closing.clone()), CancellationToken::new());
    let due = Instant::now() + Duration::from_millis(300);
    let applicant = Applicant {
        server: "files",
        user_id: Some("ann"),
        limits: &PLACES,
        due,
        weight: 1.0,
        is_counted: false,
        cancel: &cancel,
    };
    let turn = turns.enter(&applicant).await.unwrap();
    let call = LimitedCall {
        store: &one.store,
        limits: &PLACES,
        user_id: "ann",
        server: "files",
        due,
        cancel: &cancel,
        logger: &one.logger,
    };
    let mut counted = Counted::default();
    let agreed = one.calls.agree(turn, &call, &mut counted).await;
    let error = agreed.map(drop).unwrap_err();
    assert_eq!((error.code, Instant::now()), (Code::RateLimited, due));
    assert!(
        error.message.ends_with("limits has not answered"),
        "{error}"
    );
    turns.each(|_, there| panic!("{there:?}"));
}

#[tokio::test(start_paused = true)]
async fn tenants_with_other_limits_have_places_and_rates_of_their_own() {
    let (store, one, other) = pods();
    let _held = [one.place().await, one.place().await];
    let fewer = CallLimits {
        concurrency: Some(1),
        ..PLACES
    };
    let mut counted = Counted::default();
    let turn = other.turn_in("ann", &fewer, &mut counted, MINUTE).await;
    assert!(matches!(turn, Ok(Shared::Now(Some(_)))));
    assert_eq!(store.held(), 3);
    let call = async |most| {
        let limits = rates(None, Some(most));
        other.wait("ann", &limits, &mut Counted::default()).await
    };
    assert_eq!(call(1).await, NOW);
    assert_eq!(call(1).await, (false, 60));
    assert_eq!((call(2).await, call(2).await), (NOW, NOW));
    assert_eq!(call(2).await, (false, 60));
}
