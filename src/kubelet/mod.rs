//! stub
use crate::base::time::SimTime;
use crate::engine::*;
#[derive(Debug, Default)]
pub struct Kubelets;
impl Kubelets {
    pub fn sync(&mut self, _: ComponentId, _: &mut Cx<'_>) {}
    pub fn wake(&mut self, _: ComponentId, _: &mut Cx<'_>) {}
    pub fn reply(&mut self, _: ComponentId, _: Answer, _: &mut Cx<'_>) {}
    pub fn next_wake(&self, _: ComponentId) -> Option<(SimTime, WakeReason)> {
        None
    }
    pub fn stop_node(&mut self, _: ComponentId, _: &mut Cx<'_>) {}
    pub fn start_node(&mut self, _: ComponentId, _: &mut Cx<'_>) {}
}
