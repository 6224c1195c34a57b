//! Many runs beside each other: as many as there are processors, each with a limit of real time, until
//! somebody presses Ctrl-C.
//!
//! What one run comes to does not depend on the others; only the order in which they end does.

use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::{Semaphore, mpsc};

use super::super::interrupt::on_interrupt;
use super::super::wall::Wall;
use crate::scenario::simulation::Simulation;
use crate::scenario::trial::{self, Settings, Trial};

/// The stack of a run: some of what is read nests deeply.
const STACK: usize = 16 << 20;

/// One run.
#[derive(Debug)]
pub(super) struct Job {
    /// The simulation's number.
    pub(super) number: usize,
    /// The simulation.
    pub(super) simulation: Arc<Simulation>,
    /// How it is run.
    pub(super) settings: Settings,
}

/// What came of a run.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It ran to its end.
    Done(Box<Trial>),
    /// It could not be run.
    Broken(String),
    /// It was not run, or not to its end, because everything was to stop.
    Stopped,
}

/// How runs are made.
#[derive(Debug)]
pub(super) struct Pool {
    /// How many beside each other; as many as there are processors by default.
    pub(super) jobs: Option<u32>,
    /// How much real time one may take.
    pub(super) timeout: Duration,
    /// Set when all are to stop.
    pub(super) stop: Arc<AtomicBool>,
}

impl Pool {
    /// Runs all jobs and hands out what came of each as it ends.
    ///
    /// # Errors
    /// Threads that cannot be started.
    pub(super) fn run(
        &self,
        jobs: Vec<Job>,
        ended: &mut dyn FnMut(usize, &Settings, Outcome, Duration),
    ) -> Result<(), String> {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        let beside = self.jobs.and_then(|j| usize::try_from(j).ok()).unwrap_or(processors);
        on_interrupt(&self.stop);
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(beside)
            .thread_stack_size(STACK)
            .enable_all()
            .build()
            .map_err(|e| format!("cannot start threads: {e}"))?;
        runtime.block_on(async {
            let gate = Arc::new(Semaphore::new(beside));
            let (sender, mut receiver) = mpsc::channel(beside * 2);
            let timeout = self.timeout;
            let stop = Arc::clone(&self.stop);
            let feeder = tokio::spawn(async move {
                for job in jobs {
                    let Ok(permit) = Arc::clone(&gate).acquire_owned().await else { return };
                    let (sender, stop) = (sender.clone(), Arc::clone(&stop));
                    tokio::spawn(async move {
                        let (number, settings) = (job.number, job.settings.clone());
                        let (outcome, took) = run_one(job, timeout, &stop).await;
                        drop(permit);
                        // Nobody listens any more once everything has stopped.
                        drop(sender.send((number, settings, outcome, took)).await);
                    });
                }
            });
            while let Some((number, settings, outcome, took)) = receiver.recv().await {
                ended(number, &settings, outcome, took);
            }
            feeder.await.map_err(|e| format!("runs could not be started: {e}"))
        })
    }
}

/// One run, within its time. The run looks at its own flag now and then, which follows everybody's.
async fn run_one(job: Job, timeout: Duration, stop: &Arc<AtomicBool>) -> (Outcome, Duration) {
    if stop.load(Ordering::Relaxed) {
        return (Outcome::Stopped, Duration::ZERO);
    }
    let own = Arc::new(AtomicBool::new(false));
    let settings = Settings { stop: Some(Arc::clone(&own)), ..job.settings };
    let simulation = job.simulation;
    let wall = Wall::now();
    let mut run = tokio::task::spawn_blocking(move || trial::run(&simulation, &settings));
    let late = tokio::time::sleep(timeout);
    tokio::pin!(late);
    let mut look = tokio::time::interval(Duration::from_millis(50));
    let mut timed_out = false;
    let joined = loop {
        tokio::select! {
            joined = &mut run => break joined,
            () = &mut late, if !timed_out => {
                timed_out = true;
                own.store(true, Ordering::Relaxed);
            }
            _ = look.tick() => {
                if stop.load(Ordering::Relaxed) {
                    own.store(true, Ordering::Relaxed);
                }
            }
        }
    };
    let outcome = match joined {
        Err(_) => {
            Outcome::Broken("wavetank itself failed: this is a defect of wavetank".to_owned())
        }
        Ok(Err(error)) => Outcome::Broken(format!("the cluster cannot be built: {error}")),
        Ok(Ok(_)) if timed_out => Outcome::Broken(format!(
            "it took longer than {} of real time",
            crate::report::timeline::duration(timeout)
        )),
        Ok(Ok(_)) if stop.load(Ordering::Relaxed) && own.load(Ordering::Relaxed) => {
            Outcome::Stopped
        }
        Ok(Ok(trial)) => Outcome::Done(Box::new(trial)),
    };
    (outcome, wall.elapsed())
}
