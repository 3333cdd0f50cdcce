//! Threads that own a resource.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Wake},
    thread,
    time::Duration,
};

use conversant_history::{Jobs, Threads, Worker, WorkerError};

/// A resource that counts its drops.
struct Resource(Arc<AtomicUsize>);

impl Drop for Resource {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn operations_run_in_the_order_of_their_first_poll_also_if_they_are_dropped() {
    let worker = Worker::start("test", Vec::new()).unwrap();
    let (open, gate) = mpsc::channel::<()>();
    let mut held = Box::pin(worker.run(move |list: &mut Vec<u8>| {
        gate.recv().unwrap();
        list.push(1);
    }));
    assert!(futures_poll(&mut held).await.is_none());
    drop(held);
    let second = worker.run(|list| {
        list.push(2);
        list.clone()
    });
    let open = async { open.send(()).unwrap() };
    assert_eq!(tokio::join!(second, open).0.unwrap(), [1, 2]);
}

#[tokio::test]
async fn closing_runs_what_is_queued_and_drops_the_resource() {
    let drops = Arc::new(AtomicUsize::new(0));
    let worker = Worker::start("test", Resource(Arc::clone(&drops))).unwrap();
    let mut queued = Box::pin(worker.run(|resource| resource.0.load(Ordering::SeqCst)));
    let ready = futures_poll(&mut queued).await;
    tokio::join!(worker.close(), worker.close());
    assert_eq!(drops.load(Ordering::SeqCst), 1);
    let count = match ready {
        Some(count) => count,
        None => queued.await,
    };
    assert_eq!(count, Ok(0));
    insta::assert_snapshot!(worker.run(|_| ()).await.unwrap_err(), @"cannot use the store: it is closed");
    worker.close().await;
}

#[tokio::test]
async fn an_operation_that_panics_is_an_error_to_its_caller_alone() {
    let worker = Worker::start("test", vec![1]).unwrap();
    let panicked = worker.run(|list: &mut Vec<u8>| {
        list.push(2);
        panic!("an operation of the test");
    });
    let panicked: Result<(), _> = panicked.await;
    insta::assert_snapshot!(panicked.unwrap_err(), @"cannot finish the operation: it panicked");
    assert_eq!(worker.run(|list| list.clone()).await.unwrap(), [1, 2]);
    worker.close().await;
}

/// The waker is the caller's code.
#[tokio::test]
async fn a_waker_that_panics_ends_no_thread() {
    struct Panics;

    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker of the test");
        }
    }

    let worker = Worker::start("test", ()).unwrap();
    for panics in [false, true] {
        let (open, gate) = mpsc::channel::<()>();
        let mut held = Box::pin(worker.run(move |()| {
            gate.recv().unwrap();
            assert!(!panics, "an operation of the test");
        }));
        let waker = Arc::new(Panics).into();
        assert!(held.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        open.send(()).unwrap();
        worker.run(|()| ()).await.unwrap();
        assert_eq!(held.await.is_err(), panics);
    }
    worker.close().await;
}

#[tokio::test]
async fn jobs_of_threads_that_have_all_panicked_are_refused() {
    let run = |jobs: &Jobs<u8>| assert_eq!(jobs.next(), None);
    let threads = Threads::start("test", [run]).unwrap();
    threads.send(1).unwrap();
    while threads.send(1).is_ok() {
        thread::yield_now();
    }
    assert_eq!(threads.send(1), Err(WorkerError::Panicked));
    threads.close().await;
    assert_eq!(threads.send(1), Err(WorkerError::Closed));
}

#[tokio::test]
async fn several_threads_take_jobs_from_one_queue() {
    let (sums, found) = mpsc::channel();
    let runs = (0..3).map(|_| {
        let sums = sums.clone();
        move |jobs: &Jobs<u64>| {
            let mut sum = 0;
            while let Some(job) = jobs.next() {
                sum += job;
            }
            sums.send(sum).unwrap();
        }
    });
    let threads = Threads::start("test", runs).unwrap();
    for job in 1..=100 {
        threads.send(job).unwrap();
    }
    threads.close().await;
    assert_eq!(found.try_iter().sum::<u64>(), 5050);
    assert!(threads.send(1).is_err());
}

/// A thread that waits after a reply takes the jobs of that time, and is idle once in between.
#[tokio::test]
async fn a_thread_that_replies_and_waits_misses_no_job_and_is_idle_once() {
    for idle_after in [Duration::ZERO, Duration::from_secs(3600)] {
        let (idle_count, (replies, replied)) = (Arc::new(AtomicUsize::new(0)), mpsc::channel());
        let run = {
            let idle_count = Arc::clone(&idle_count);
            move |jobs: &Jobs<u64>| {
                let mut next = jobs.next();
                while let Some(job) = next {
                    let reply = || {
                        replies.send(job).unwrap();
                        // It uses up a wake-up, as a caller's waker may.
                        thread::park_timeout(Duration::ZERO);
                    };
                    let idle = || {
                        idle_count.fetch_add(1, Ordering::SeqCst);
                    };
                    next = jobs.next_after(reply, idle_after, idle);
                }
            }
        };
        let threads = Threads::start("test", [run]).unwrap();
        for job in 0..100 {
            threads.send(job).unwrap();
            assert_eq!(replied.recv().unwrap(), job);
        }
        threads.close().await;
        let idle_count = idle_count.load(Ordering::SeqCst);
        assert!(idle_count <= if idle_after.is_zero() { 100 } else { 0 }, "{idle_count}");
    }
}

#[tokio::test]
async fn a_thread_that_begins_awake_takes_jobs_before_and_after_it_sleeps() {
    for awake in [Duration::ZERO, Duration::from_micros(200), Duration::MAX] {
        let (done, jobs_done) = mpsc::channel();
        let run = move |jobs: &Jobs<u8>| {
            let mut next = jobs.next_awake(awake);
            while let Some(job) = next {
                done.send(job).unwrap();
                next = jobs.next();
            }
        };
        let threads = Threads::start("test", [run]).unwrap();
        for job in 0..3 {
            threads.send(job).unwrap();
            assert_eq!(jobs_done.recv(), Ok(job));
        }
        threads.close().await;
        assert!(jobs_done.recv().is_err());
    }
    // Closing ends it also while it is awake.
    let run = |jobs: &Jobs<u8>| assert_eq!(jobs.next_awake(Duration::MAX), None);
    Threads::start("test", [run]).unwrap().close().await;
}

async fn futures_poll<F: Future>(future: &mut std::pin::Pin<Box<F>>) -> Option<F::Output> {
    let poll = std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx))).await;
    match poll {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}
