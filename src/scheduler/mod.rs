//! stub
use crate::base::time::SimTime;
use crate::engine::*;
#[derive(Debug, Default)]
pub struct Scheduler;
impl Component for Scheduler {
    fn sync(&mut self, _: &mut Cx<'_>) {}
    fn wake(&mut self, _: &mut Cx<'_>) {}
    fn reply(&mut self, _: Answer, _: &mut Cx<'_>) {}
    fn next_wake(&self) -> Option<(SimTime, WakeReason)> {
        None
    }
}
